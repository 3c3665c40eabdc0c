"""What each phase is fed: views kept in the cache and used in turn, or a new view of each image in every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from batikkit.errors import InputError
from batikkit.network import model
from batikkit.network.keras_backend import tf
from batikkit.runs.record import Feed
from batikkit.settings import ENGINES, TrainConfig
from batikkit.training.distributed import Workers
from batikkit.training.inputs import Inputs
from batikkit.training.schedule import HEAD, Phase, phases


def cut_of(net: Any, config: TrainConfig, phase: Phase) -> str | None:
    """The layer whose output a phase can be fed instead of images; None where nothing below is frozen."""
    return model.pooled_layer(net) if phase.name == HEAD else model.cut_layer(net, frozen_layers=config.frozen_layers)


def wants_cache(engine: str) -> bool:
    """Whether an engine's name asks for the cache; `auto` does where there is no GPU.

    Raises:
        InputError: no such engine.
    """
    if engine not in ENGINES:
        raise InputError(f"--engine {engine!r}: choose {', '.join(ENGINES)}")
    if engine != "auto":
        return engine == "cached"
    return not tf.config.list_physical_devices("GPU")


def reserve(
    net: Any, inputs: Inputs, *, first: int, engine: str, workers: Workers, known: Sequence[Feed] = ()
) -> tuple[Feed, ...]:
    """Makes room in the cache for the phases that are left.

    Args:
        net: The network.
        inputs: Where the room is made.
        first: Index of the first phase that is left.
        engine: `auto` gives a phase what it is known to have been given before, else what suits the machine.
        workers: All of them must have room, or none uses it.
        known: What a resumed run was fed so far, the latest last.

    Returns:
        What each of the phases will be fed.

    Raises:
        InputError: no room for the features of a head that is to be solved.
    """
    config, left = inputs.config, phases(inputs.config)[first:]
    before = {feed.phase: feed.engine for feed in known}
    cuts = {phase.name: cut_of(net, config, phase) for phase in left}
    wishes = [
        phase
        for phase in left
        if phase.solved or wants_cache(before.get(phase.name, engine) if engine == "auto" else engine)
    ]
    views = {cut: phase.views for phase in wishes if (cut := cuts[phase.name])}
    if views:
        inputs.reserve(net, views)
    # Extraction reads the weights together, hence room in every worker's cache or in none.
    held = workers.total([float(inputs.cached(cut)) for cut in views]) if views else ()
    for cut, count in zip(views, held, strict=True):
        if count < workers.share.size:
            inputs.release(cut)
    if any(phase.solved and not inputs.cached(cuts[phase.name]) for phase in left):
        raise InputError(
            "the head is solved from stored features, for which there is no room: raise --cache-gb or make room on the "
            "disk, lower views, or train with --set head=stepped"
        )
    return tuple(_feed(phase, config, cached=inputs.cached(cuts[phase.name])) for phase in left)


def _feed(phase: Phase, config: TrainConfig, *, cached: bool) -> Feed:
    engine, views = ("cached", phase.views) if cached else ("keras", None)
    return Feed(phase.name, engine, views, precision=phase.precision(config))


def changes(known: Sequence[Feed], now: Sequence[Feed], *, epoch: int) -> tuple[tuple[Feed, ...], tuple[str, ...]]:
    """What to add to a run's record when its phases are fed from now on as `now` says.

    Args:
        known: What the record says.
        now: What the phases that are left are fed.
        epoch: The run's next epoch, from 1.

    Returns:
        All feeds of the record, and a sentence for each that changed.
    """
    feeds, told = list(known), []
    for feed in now:
        before = next((old for old in reversed(feeds) if old.phase == feed.phase), None)
        if before is None:
            feeds.append(feed)
        elif replace(feed, epoch=before.epoch) != before:
            feeds.append(replace(feed, epoch=epoch))
            told.append(
                f"from epoch {epoch} on, phase {feed.phase} learns from {describe(feed)} instead of "
                f"{describe(before)}: the result is not that of an uninterrupted training"
            )
    return tuple(feeds), tuple(told)


def describe(feed: Feed) -> str:
    """A feed in words."""
    views = "a new view of each image in every epoch" if feed.views is None else f"{feed.views} cached view(s) of each"
    return views if feed.precision == "float32" else f"{views} in {feed.precision}"
