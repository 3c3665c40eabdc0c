"""The quantization ladder: from the cheapest way to an integer file to the dearest, until one is good enough.

Each rung makes one or more candidates; all are judged on validation photographs, and the best so far is what the next
rung builds on. Nothing here ever sees a test photograph.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batikkit_exporters.ladder.evaluation import Figures, Jury, evaluate
from batikkit_exporters.ladder.sensitivity import LayerHarm, rank_layers
from batikkit_exporters.network.network import Network
from batikkit_exporters.network.operators import check_supported
from batikkit_exporters.network.read import read_network
from batikkit_exporters.quantization.distill import RoundedWeights, distill
from batikkit_exporters.quantization.equalize import equalize
from batikkit_exporters.quantization.grid import Grid
from batikkit_exporters.quantization.observation import Observed, observe
from batikkit_exporters.quantization.quantize import quantize
from batikkit_exporters.quantization.ranges import lay_grids
from batikkit_exporters.quantization.rounding import ROUNDING_IMAGES, Rounded, round_weights
from batikkit_exporters.quantization.unjoin import unjoin

RANKING_IMAGES = 32
FLOAT_LAYERS = 6
QAT_EPOCHS = 4
QAT_RATE = 1e-5
OTHER_KINDS = ("selective-float", "int16x8")
"""Rungs whose files are not plain int8: slower or not integer-only, so they are taken only when they reach the goal."""
Report = Callable[[str], None]


@dataclass(frozen=True)
class Goal:
    """What a file has to reach on the jury: most points lost, least agreement (0..1)."""

    drop_pp: float = 0.5
    agreement: float = 0.99

    def met_by(self, figures: Figures) -> bool:
        """Whether a file passes."""
        return figures.drop_pp <= self.drop_pp and figures.agreement >= self.agreement


@dataclass(frozen=True)
class Step:
    """One evaluated candidate of a rung."""

    rung: str
    candidate: str
    figures: Figures
    passed: bool
    seconds: float


@dataclass(frozen=True)
class Climbed:
    """The result: all steps in order, the chosen one and its file, and the layers in order of harm."""

    goal: Goal
    photographs: int
    steps: tuple[Step, ...]
    chosen: Step
    content: bytes
    harm: tuple[LayerHarm, ...]


@dataclass(frozen=True, eq=False)
class Material:
    """What a ladder works with.

    Attributes:
        float32: The float file.
        plain: Makes the plain int8 file, as the converter does it; None leaves that rung out.
        tfmot: Trains an int8 file of the Keras model for so many epochs at a learning rate; None leaves it out.
        calibration: uint8 [N, S, S, 3] from the train split, the two anchors last.
        train: uint8 [M, S, S, 3], the whole train split.
        jury: Validation photographs.
    """

    float32: bytes
    plain: Callable[[], bytes] | None
    tfmot: Callable[[int, float], bytes] | None
    calibration: NDArray[np.uint8]
    train: NDArray[np.uint8]
    jury: Jury


@dataclass(eq=False)
class _State:
    """The best so far: a float network, the ranges of its grids, and its rounded form once it has one."""

    network: Network
    observed: dict[int, Observed]
    method: str = "minmax"
    rounded: Rounded | None = None
    harm: tuple[LayerHarm, ...] = ()
    steps: list[Step] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)

    def grids(self) -> dict[int, Grid]:
        return lay_grids(self.network, self.observed, method=self.method)


Candidate = tuple[str, bytes, Callable[[], None]]
"""Name, file, and what to do when it turns out the best of its rung."""


def climb(material: Material, goal: Goal, *, all_rungs: bool = False, report: Report = lambda _line: None) -> Climbed:
    """Climbs until a candidate meets the goal.

    Args:
        material: The network and the photographs.
        goal: What is good enough.
        all_rungs: Go on to the end all the same, for the full table.
        report: Called with one line per candidate.

    Returns:
        The first candidate that met the goal, else the nearest to it.
    """
    network = read_network(material.float32, name="the float32 file")
    check_supported(network)
    network = unjoin(network)
    state = _State(network, observe(network, material.calibration))
    for rung, make in RUNGS.items():
        best: tuple[float, Callable[[], None]] | None = None
        started = time.perf_counter()
        for name, content, adopt in make(state, material):
            # 16-bit kernels are plain reference code, a hundred times slower.
            figures = evaluate(content, material.jury.plain() if rung == "int16x8" else material.jury)
            step = Step(rung, name, figures, goal.met_by(figures), time.perf_counter() - started)
            state.steps.append(step)
            state.contents.append(content)
            report(_line(step))
            if best is None or figures.mean_difference < best[0]:
                best = figures.mean_difference, adopt
            started = time.perf_counter()
        # Only what improves on everything before is built upon.
        if best is not None and best[0] <= min(step.figures.mean_difference for step in state.steps):
            best[1]()
        if not all_rungs and any(step.passed for step in state.steps):
            break
    chosen = _choose(state.steps)
    return Climbed(
        goal,
        material.jury.photographs,
        tuple(state.steps),
        state.steps[chosen],
        state.contents[chosen],
        state.harm or _rank(state, material),
    )


def _choose(steps: list[Step]) -> int:
    """The first rung that passed, its candidate nearest to the float network; else the nearest of all int8 files."""
    passed = [step for step in steps if step.passed]
    if passed:
        pool = [step for step in passed if step.rung == passed[0].rung]
    else:
        pool = [step for step in steps if step.rung not in OTHER_KINDS] or steps
    best = min(pool, key=lambda step: (-step.figures.agreement, step.figures.mean_difference))
    return steps.index(best)


def _nothing() -> None:
    return


def _plain(_state: _State, material: Material) -> Iterator[Candidate]:
    if material.plain is not None:
        yield "minmax", material.plain(), _nothing


def _ranges(state: _State, _material: Material) -> Iterator[Candidate]:
    for method in ("percentile", "mse"):
        grids = lay_grids(state.network, state.observed, method=method)
        yield method, quantize(state.network, grids), lambda method=method: setattr(state, "method", method)  # type: ignore[misc]


def _equalized(state: _State, material: Material) -> Iterator[Candidate]:
    for strength in (0.5, 1.0):
        network, groups = equalize(state.network, state.observed, strength=strength)
        if not groups:
            return
        observed = observe(network, material.calibration)
        content = quantize(network, lay_grids(network, observed, method=state.method))

        def adopt(network: Network = network, observed: dict[int, Observed] = observed) -> None:
            state.network, state.observed = network, observed

        yield f"{groups} groups, strength {strength:g}", content, adopt


def _rounded(state: _State, material: Material) -> Iterator[Candidate]:
    grids = state.grids()
    for name, second_order in (("bias correction", False), ("second-order rounding", True)):
        rounded = round_weights(state.network, grids, material.calibration[:ROUNDING_IMAGES], second_order=second_order)
        content = quantize(rounded.network, grids, scales=rounded.scales)
        yield name, content, lambda rounded=rounded: setattr(state, "rounded", rounded)  # type: ignore[misc]


def _selective_float(state: _State, material: Material) -> Iterator[Candidate]:
    state.harm = _rank(state, material)
    worst = frozenset(state.network.nodes[layer.node].outputs[0] for layer in state.harm[:FLOAT_LAYERS])
    grids = state.grids()
    integer = {index: grid for index, grid in grids.items() if index not in worst}
    rounded = round_weights(state.network, integer, material.calibration[:ROUNDING_IMAGES])
    content = quantize(rounded.network, grids, scales=rounded.scales, floating=worst)
    yield f"{FLOAT_LAYERS} layers in float", content, _nothing


def _trained(state: _State, material: Material) -> Iterator[Candidate]:
    if material.tfmot is not None:
        yield f"TFMOT, {QAT_EPOCHS} epochs", material.tfmot(QAT_EPOCHS, QAT_RATE), _nothing
    grids = state.grids()
    start = state.rounded or round_weights(state.network, grids, material.calibration[:ROUNDING_IMAGES])
    network = distill(
        start.network,
        RoundedWeights(start),
        teacher=state.network,
        images=material.train,
        grids=grids,
        epochs=QAT_EPOCHS,
        learning_rate=QAT_RATE,
    )
    content = quantize(network, grids, scales=start.scales)
    rounded = Rounded(network, start.scales)
    yield f"distilled, {QAT_EPOCHS} epochs", content, lambda: setattr(state, "rounded", rounded)


def _int16x8(state: _State, material: Material) -> Iterator[Candidate]:
    wide = frozenset(node.outputs[0] for node in state.network.nodes)
    grids = lay_grids(state.network, state.observed, method=state.method, wide=wide)
    rounded = round_weights(state.network, grids, material.calibration[:ROUNDING_IMAGES])
    yield "16-bit activations", quantize(rounded.network, grids, scales=rounded.scales), _nothing


RUNGS: dict[str, Callable[[_State, Material], Iterator[Candidate]]] = {
    "plain": _plain,
    "ranges": _ranges,
    "equalised": _equalized,
    "rounding": _rounded,
    "selective-float": _selective_float,
    "qat": _trained,
    "int16x8": _int16x8,
}


def _rank(state: _State, material: Material) -> tuple[LayerHarm, ...]:
    """Ranks the layers as they are rounded so far."""
    grids = state.grids()
    rounded = state.rounded or round_weights(
        state.network, grids, material.calibration[:RANKING_IMAGES], second_order=False
    )
    return tuple(rank_layers(state.network, rounded, grids, material.jury.images[:RANKING_IMAGES]))


def _line(step: Step) -> str:
    found = step.figures
    return (
        f"ladder, {step.rung} ({step.candidate}): drop {found.drop_pp:+.1f} points, agreement "
        f"{100 * found.agreement:.1f} %, mean difference {found.mean_difference:.4f}, {found.size_bytes / 1e6:.2f} MB, "
        f"{found.latency_ms:.1f} ms: {'passed' if step.passed else 'not enough'}"
    )
