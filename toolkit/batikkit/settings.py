"""Every training setting, stated once: its default, its range and its meaning.

The configuration, the commands' help, docs/settings.md and `batikkit presets` follow from here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from batikkit.errors import InputError

BACKBONE_STRIDE = 32
"""The networks halve their input five times; image sizes are multiples of it so that no pixel column is dropped."""
ENGINES = ("auto", "cached", "keras")
"""How images are fed. No setting, since it is chosen by the machine; the run's record says what each phase was fed."""
T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """The values that a setting takes: a test, and the same in words that go on after "it must be"."""

    accepts: Callable[[Any], bool]
    words: str


def _setting(default: T, range_: Range, meaning: str) -> T:
    return field(default=default, metadata={"range": range_, "meaning": meaning})


def _between(low: float, high: float) -> Range:
    words = " and ".join(f"{end}" if isinstance(end, int) else f"{end:g}" for end in (low, high))
    return Range(lambda value: low <= value <= high, f"between {words}")


def _one_of(*names: str) -> Range:
    return Range(lambda value: value in names, "one of " + ", ".join(names))


_SIDE = Range(lambda v: v % BACKBONE_STRIDE == 0 and 32 <= v <= 1024, "a multiple of 32 between 32 and 1024")
_PARTS = Range(
    lambda v: len(v) == 3 and min(v) > 0 and abs(sum(v) - 1) < 1e-6,
    "three positive fractions that sum to 1 (train, validation, test)",
)
_SWITCH = Range(lambda value: isinstance(value, bool), "true or false")
_EPOCHS, _RATE, _PORTION = _between(0, 10_000), _between(1e-8, 1), _between(0, 1)


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run, apart from the images and the engine that feeds them.

    Raises:
        InputError: a value is out of its range, or two do not go together.
    """

    network: str = _setting(
        "mobilenet-v2",
        _one_of("mobilenet-v2", "efficientnet-lite0", "plain-cnn"),
        "The backbone: `mobilenet-v2`, `efficientnet-lite0`, or `plain-cnn`, a small one always trained from scratch.",
    )
    taps: tuple[str, ...] = _setting(
        (),
        Range(lambda value: len(set(value)) == len(value), "a list of different layer names"),
        "Layers whose means the classifier reads beside the last one's, such as `block_13_expand_relu`.",
    )
    image_size: int = _setting(288, _SIDE, "Side of the square input in pixels, a multiple of 32.")
    alpha: float = _setting(1.0, _between(0.05, 3), "Width multiplier of MobileNetV2.")
    dropout: float = _setting(0.2, _between(0, 0.95), "Fraction dropped between pooling and the classifier.")
    batch_size: int = _setting(32, _between(1, 4096), "Images per step.")
    ratios: tuple[float, float, float] = _setting(
        (0.7, 0.2, 0.1), _PARTS, "Fractions of train, validation and test; they sum to 1."
    )
    seed: int = _setting(0, _between(0, 2**31 - 1), "Seeds split, initial weights, order, augmentation and dropout.")
    phase1_epochs: int = _setting(12, _EPOCHS, "Epochs with the whole backbone frozen (0 skips the phase).")
    head: str = _setting(
        "stepped",
        _one_of("stepped", "solved"),
        "Phase 1: `stepped` with Adam, or `solved` to the optimum by L-BFGS for as many penalties as the phase has "
        "epochs, of which the validation images choose one.",
    )
    phase1_learning_rate: float = _setting(1e-4, _RATE, "Adam's rate in phase 1.")
    phase2_epochs: int = _setting(18, _EPOCHS, "Epochs of fine-tuning (0 skips the phase).")
    phase2_learning_rate: float = _setting(1e-5, _RATE, "Adam's rate in phase 2.")
    frozen_layers: int = _setting(
        100,
        _between(-1, 153),
        "Backbone layers 0 to this one stay frozen in phase 2 (Keras' layer numbers); -1 frees all.",
    )
    batch_norm_frozen: bool = _setting(
        True, _SWITCH, "Batch normalization keeps its ImageNet statistics and affine part in phase 2."
    )
    schedule: str = _setting(
        "plateau",
        _one_of("plateau", "cosine"),
        "Learning rate within a phase: `plateau` (constant, lowered when stuck) or `cosine` (to zero).",
    )
    warmup_epochs: float = _setting(0.0, _between(0, 1000), "Epochs over which `cosine` rises from zero.")
    plateau_factor: float = _setting(0.2, _between(0.01, 0.99), "What `plateau` multiplies the rate by.")
    plateau_patience: int = _setting(
        3, _between(1, 1000), "Epochs without a better validation figure before `plateau` acts."
    )
    early_stopping_patience: int = _setting(
        5, _EPOCHS, "Epochs without a better validation figure before a phase ends (0 = never)."
    )
    monitor: str = _setting(
        "loss",
        _one_of("loss", "accuracy", "last"),
        "Which validation figure picks the best epoch: `loss` or `accuracy`; `last` takes the last one, for schedules "
        "that end at zero and validation sets too small to choose by.",
    )
    precision: str = _setting(
        "auto",
        _one_of("auto", "float32", "bfloat16"),
        "Arithmetic of fine-tuning: `float32`, `bfloat16` (weights, sums and losses stay float32), or `auto`: bfloat16 "
        "where the processor has it and it was measured to pay.",
    )
    label_smoothing: float = _setting(0.0, _between(0, 0.5), "Probability mass spread over all classes.")
    distillation: float = _setting(
        0.7, _PORTION, "With teachers: the part of a photograph's target that is their answer; the rest is its label."
    )
    class_weights: bool = _setting(False, _SWITCH, "Weight the loss by inverse class frequency.")
    mixup: float = _setting(0.0, _between(0, 10), "Beta-distribution parameter of mixup (0 = off).")
    weight_average: float = _setting(
        0.0, _between(0, 0.99999), "Decay per step of an exponential moving average of the weights (0 = off)."
    )
    weight_decay: float = _setting(0.0, _PORTION, "Decoupled weight decay (AdamW) on kernels.")
    rotation: float = _setting(0.05, _PORTION, "Largest random rotation, fraction of a full turn.")
    zoom: float = _setting(0.05, _between(0, 0.9), "Largest random zoom in or out, fraction.")
    shift: float = _setting(0.0, _between(0, 0.9), "Largest random shift, fraction of the side.")
    crop_min: float = _setting(
        1.0, _between(0.05, 1), "Smallest fraction of the area kept by a random resized crop (1 = off)."
    )
    flips: str = _setting(
        "none", _one_of("none", "horizontal", "both"), "Random mirroring: `none`, `horizontal` or `both`."
    )
    quarter_turns: bool = _setting(False, _SWITCH, "Random rotation by a multiple of 90 degrees: cloth has no upright.")
    brightness: float = _setting(0.0, _PORTION, "Largest random change of brightness, fraction of full scale.")
    contrast: float = _setting(0.0, _PORTION, "Largest random change of contrast, fraction.")
    saturation: float = _setting(
        0.0,
        _PORTION,
        "Largest random change of saturation, fraction (with a hue-free channel gain of a third of it).",
    )
    recolour: float = _setting(
        0.0,
        _PORTION,
        "Portion of the views shown grey, with their hue turned, or with channels changed round: a motif is not its "
        "colour.",
    )
    other: bool = _setting(
        False,
        _SWITCH,
        "Exports get one label more, `other`, for what lies far from all that training has seen: other things, and "
        "to a smaller part other motifs.",
    )
    views: int = _setting(
        4,
        _between(1, 1000),
        "Augmented views kept per image by the cached engine; later epochs reuse them in turn. Without the cache every "
        "epoch has views of its own.",
    )
    phase1_views: int = _setting(
        0, _between(0, 1000), "How many of them phase 1 sees, which then starts sooner (0 = all)."
    )

    def __post_init__(self) -> None:
        for known in SETTINGS:
            value = getattr(self, known.name)
            if not known.range.accepts(value):
                raise InputError(f"setting {known.name} is {value!r}: it must be {known.range.words}")
        if self.phase1_views > self.views:
            raise InputError(f"setting phase1_views is {self.phase1_views}: it must be at most views, {self.views}")
        if not self.phase1_epochs + self.phase2_epochs:
            raise InputError("settings phase1_epochs and phase2_epochs are both 0: nothing would be trained")


@dataclass(frozen=True)
class Setting:
    """What is known of one setting."""

    name: str
    default: Any
    range: Range
    meaning: str


SETTINGS = tuple(
    Setting(known.name, known.default, known.metadata["range"], known.metadata["meaning"])
    for known in dataclasses.fields(TrainConfig)
)


def meaning(name: str) -> str:
    """The sentence that explains setting `name`.

    Raises:
        KeyError: there is no such setting.
    """
    return {known.name: known.meaning for known in SETTINGS}[name]


def settings_page(presets: Mapping[str, TrainConfig]) -> str:
    """docs/settings.md: every setting with its range, its default and what the presets set it to."""
    lines = [
        "# Settings",
        "",
        "Each is changed with `--set KEY=VALUE`, or in a `.toml` file that `--preset` names. `batikkit presets` tells",
        "why the presets differ from the defaults; `batikkit presets --markdown` writes this page.",
        "",
        "| setting | default | range | meaning | presets |",
        "|---|---|---|---|---|",
    ]
    for known in SETTINGS:
        values = {name: getattr(config, known.name) for name, config in presets.items()}
        other = [f"{name} {_shown(value)}" for name, value in values.items() if value != known.default]
        cells = (f"`{known.name}`", _shown(known.default), known.range.words, known.meaning, ", ".join(other))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return " / ".join(part if isinstance(part, str) else f"{part:g}" for part in value) or "none"
    return f"{value}"
