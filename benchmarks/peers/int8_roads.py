"""Roads to an int8 file that answers as the float network does, and where its errors come from.

    python benchmarks/peers/int8_roads.py RUN [RUN ...] [--only apart,joined]
    python benchmarks/peers/int8_roads.py RUN --sources

Judged by the validation photographs alone, in every view that training took for the same motif; ranges and rounding
see photographs of the train part. `--sources` rehearses the network with some of its tensors or weights rounded and the
others in float, and prints how far that moves the margin between a photograph's two likeliest motifs, in logits.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.network.keras_backend import tf
from batikkit_exporters.calibration import draw_calibration
from batikkit_exporters.convert import convert
from batikkit_exporters.export.evidence import split_pixels
from batikkit_exporters.ladder.evaluation import Jury, evaluate
from batikkit_exporters.ladder.run import jury_of
from batikkit_exporters.network.network import Network, Node
from batikkit_exporters.network.operators import weights_of
from batikkit_exporters.network.operators.activation import NONE, fused_activation
from batikkit_exporters.network.read import read_network
from batikkit_exporters.quantization.equalize import equalize
from batikkit_exporters.quantization.grid import Grid
from batikkit_exporters.quantization.observation import batches, observe
from batikkit_exporters.quantization.quantize import quantize
from batikkit_exporters.quantization.ranges import lay_grids
from batikkit_exporters.quantization.rounding import ROUNDING_IMAGES, Rounded, round_weights
from batikkit_exporters.quantization.twin import run as rehearse
from batikkit_exporters.quantization.unjoin import unjoin
from batikkit_exporters.source.run import source_of_run

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Net:
    """A run's float network, its calibration photographs uint8 [N, S, S, 3], and who judges."""

    joined: Network
    photographs: Pixels
    jury: Jury

    @classmethod
    def of_run(cls, run: Path) -> Net:
        """The run's."""
        source = source_of_run(run)
        net = source.load()
        float32 = convert(net.frozen)
        drawn = draw_calibration(source.rows, root=source.root, image_size=net.image_size).pixels()[:-2]
        images, labels = split_pixels(source, "validation", net.image_size)
        return cls(read_network(float32, name="float32"), drawn, jury_of(source, float32, images, labels))

    def rounded(
        self, network: Network, *, method: str = "mse", by: int = ROUNDING_IMAGES
    ) -> tuple[Rounded, dict[int, Grid]]:
        """Quantized as `int8` is, but for what is asked."""
        grids = lay_grids(network, observe(network, self.photographs), method=method)
        return round_weights(network, grids, self.photographs[:by]), grids

    def equalized(self, strength: float) -> Network:
        """Its dense layers apart, its channels equalised."""
        network = unjoin(self.joined)
        return equalize(network, observe(network, self.photographs), strength=strength)[0]


ROADS: dict[str, Callable[[Net], tuple[Rounded, dict[int, Grid]]]] = {
    "joined": lambda net: net.rounded(net.joined),
    "apart": lambda net: net.rounded(unjoin(net.joined)),
    "apart-all-photographs": lambda net: net.rounded(unjoin(net.joined), by=len(net.photographs)),
    "apart-minmax": lambda net: net.rounded(unjoin(net.joined), method="minmax"),
    "apart-equalized-half": lambda net: net.rounded(net.equalized(0.5)),
    "apart-equalized": lambda net: net.rounded(net.equalized(1.0)),
}


def sources(net: Net) -> Iterator[tuple[str, float]]:
    """What is rounded, and the root mean square of what it does to the margin [logits]."""
    rounded, grids = net.rounded(net.joined)
    network, images = net.joined, net.jury.plain().images
    exact = logits(network, images, grids={})
    order = np.argsort(exact, axis=1)
    first, second, rows = order[:, -1], order[:, -2], np.arange(len(exact))

    def moved(found: NDArray[np.float32]) -> float:
        shift = (found - exact)[rows, first] - (found - exact)[rows, second]
        return round(float(np.sqrt((shift**2).mean())), 4)

    yield "all weights", moved(logits(rounded.network, images, grids={}))
    yield "all activations", moved(logits(network, images, grids=grids))
    for kind in dict.fromkeys(map(kind_of, network.nodes)):
        outputs = {node.outputs[0] for node in network.nodes if kind_of(node) == kind} - set(network.outputs)
        some = {index: grid for index, grid in grids.items() if index in outputs}
        yield f"activations of {kind}", moved(logits(network, images, grids=some))
    for kind in dict.fromkeys(kind_of(node) for node in network.nodes if weights_of(node)):
        touched = [index for node in network.nodes if kind_of(node) == kind for index in node.inputs[1:] if index >= 0]
        taken = {index: np.asarray(rounded.network.constant(index)) for index in touched}
        yield f"weights of {kind}", moved(logits(network.with_constants(taken), images, grids={}))


def kind_of(node: Node) -> str:
    """Its operator, and whether an activation is part of it."""
    return node.kind if fused_activation(node) == NONE else f"{node.kind} with ReLU6"


def logits(network: Network, images: Pixels, *, grids: dict[int, Grid]) -> NDArray[np.float32]:
    """What goes into the softmax, with these tensors rounded."""
    source = network.nodes[-1].inputs[0]

    def ask(batch: object) -> object:
        seen: dict[int, object] = {}
        rehearse(network, batch, grids=grids, weights_quantized=False, observe=lambda i, x: seen.setdefault(i, x))
        return seen[source]

    function = tf.function(ask, reduce_retracing=True)
    return np.concatenate([function(tf.constant(batch)).numpy() for batch in batches(images)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--only", default=",".join(ROADS), help="roads to try, such as joined,apart")
    parser.add_argument("--sources", action="store_true", help="where the errors of `joined` come from, instead")
    asked = parser.parse_args()
    for run in asked.runs:
        net = Net.of_run(run)
        if asked.sources:
            for name, shift in sources(net):
                print(json.dumps({"run": run.name, "rounded": name, "margin_moves": shift}), flush=True)
            continue
        for road in asked.only.split(","):
            rounded, grids = ROADS[road](net)
            found = evaluate(quantize(rounded.network, grids, scales=rounded.scales), net.jury)
            facts = {
                "n": found.n, "agreement": round(found.agreement, 4), "drop_pp": round(found.drop_pp, 2),
                "mean_difference": round(found.mean_difference, 5), "size_bytes": found.size_bytes,
            }  # fmt: skip
            print(json.dumps({"run": run.name, "road": road, **facts}), flush=True)


if __name__ == "__main__":
    main()
