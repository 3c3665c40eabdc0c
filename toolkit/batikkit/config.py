"""Training settings: one frozen, validated dataclass, read from a TOML preset and `key=value` overrides."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from batikkit.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BACKBONE_STRIDE = 32
"""The networks halve their input five times; image sizes are multiples of it so that no pixel column is dropped."""


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run, apart from the images.

    Attributes:
        network: `mobilenet-v2`, or `plain-cnn`, a small network that is always trained from scratch.
        image_size: Side of the square input [pixels], a multiple of 32.
        alpha: Width multiplier of MobileNetV2.
        dropout: Fraction dropped between pooling and the classifier.
        batch_size: Images per step.
        ratios: Fractions of train, validation and test; they sum to 1.
        seed: Seeds the split, the initial weights, the order, augmentation and dropout.
        phase1_epochs: Epochs with the whole backbone frozen (0 skips the phase).
        phase1_learning_rate: Adam's rate in phase 1.
        phase2_epochs: Epochs of fine-tuning (0 skips the phase).
        phase2_learning_rate: Adam's rate in phase 2.
        frozen_layers: Backbone layers 0..frozen_layers stay frozen in phase 2 (Keras' layer numbers); -1 frees all.
        batch_norm_frozen: Batch normalization keeps its ImageNet statistics and affine part in phase 2.
        schedule: Learning rate within a phase: `plateau` (constant, lowered when stuck) or `cosine` (to zero).
        warmup_epochs: Epochs over which `cosine` rises from zero.
        plateau_factor: What `plateau` multiplies the rate by.
        plateau_patience: Epochs without a better validation loss before `plateau` acts.
        early_stopping_patience: Epochs without a better validation loss before a phase ends (0 = never).
        monitor: Which validation figure picks the best epoch: `loss` or `accuracy`; `last` takes the last one, for
            schedules that end at zero and validation sets too small to choose by.
        label_smoothing: Probability mass spread over the other classes.
        class_weights: Weight the loss by inverse class frequency.
        mixup: Beta-distribution parameter of mixup (0 = off).
        weight_average: Decay per step of an exponential moving average of the weights (0 = off).
        weight_decay: Decoupled weight decay (AdamW) on kernels.
        rotation: Largest random rotation, fraction of a full turn.
        zoom: Largest random zoom in or out, fraction.
        shift: Largest random shift, fraction of the side.
        crop_min: Smallest fraction of the area kept by a random resized crop (1 = off).
        flips: Random mirroring: `none`, `horizontal` or `both`.
        quarter_turns: Random rotation by a multiple of 90 degrees: cloth has no upright.
        brightness: Largest random change of brightness, fraction of full scale.
        contrast: Largest random change of contrast, fraction.
        saturation: Largest random change of saturation, fraction (with a hue-free channel gain of a third of it).
        views: Augmented views kept per image by the cached engine; later epochs reuse them in turn.
        phase1_views: How many of them phase 1 sees, which then starts sooner (0 = all).
            Without the cache every epoch has views of its own.
    """

    network: str = "mobilenet-v2"
    image_size: int = 288
    alpha: float = 1.0
    dropout: float = 0.2
    batch_size: int = 32
    ratios: tuple[float, float, float] = (0.7, 0.2, 0.1)
    seed: int = 0
    phase1_epochs: int = 12
    phase1_learning_rate: float = 1e-4
    phase2_epochs: int = 18
    phase2_learning_rate: float = 1e-5
    frozen_layers: int = 100
    batch_norm_frozen: bool = True
    schedule: str = "plateau"
    warmup_epochs: float = 0.0
    plateau_factor: float = 0.2
    plateau_patience: int = 3
    early_stopping_patience: int = 5
    monitor: str = "loss"
    label_smoothing: float = 0.0
    class_weights: bool = False
    mixup: float = 0.0
    weight_average: float = 0.0
    weight_decay: float = 0.0
    rotation: float = 0.05
    zoom: float = 0.05
    shift: float = 0.0
    crop_min: float = 1.0
    flips: str = "none"
    quarter_turns: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    views: int = 4
    phase1_views: int = 0

    def __post_init__(self) -> None:
        for name, (accept, wanted) in _RULES.items():
            value = getattr(self, name)
            if not accept(value):
                raise InputError(f"setting {name} is {value!r}: it must be {wanted}")
        if self.phase1_views > self.views:
            raise InputError(f"setting phase1_views is {self.phase1_views}: it must be at most views, {self.views}")


def _between(low: float, high: float) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: low <= value <= high), f"between {low:g} and {high:g}"


def _one_of(*names: str) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: value in names), "one of " + ", ".join(names)


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "network": _one_of("mobilenet-v2", "plain-cnn"),
    "image_size": (lambda v: v % BACKBONE_STRIDE == 0 and 32 <= v <= 1024, "a multiple of 32 between 32 and 1024"),
    "alpha": _between(0.05, 3),
    "dropout": _between(0, 0.95),
    "batch_size": _between(1, 4096),
    "ratios": (
        lambda v: len(v) == 3 and min(v) > 0 and abs(sum(v) - 1) < 1e-6,
        "three positive fractions that sum to 1 (train, validation, test)",
    ),
    "seed": _between(0, 2**31 - 1),
    "phase1_epochs": _between(0, 10_000),
    "phase1_learning_rate": _between(1e-8, 1),
    "phase2_epochs": _between(0, 10_000),
    "phase2_learning_rate": _between(1e-8, 1),
    "frozen_layers": _between(-1, 153),
    "schedule": _one_of("plateau", "cosine"),
    "warmup_epochs": _between(0, 1000),
    "plateau_factor": _between(0.01, 0.99),
    "plateau_patience": _between(1, 1000),
    "early_stopping_patience": _between(0, 10_000),
    "monitor": _one_of("loss", "accuracy", "last"),
    "label_smoothing": _between(0, 0.5),
    "mixup": _between(0, 10),
    "weight_average": _between(0, 0.99999),
    "weight_decay": _between(0, 1),
    "rotation": _between(0, 1),
    "zoom": _between(0, 0.9),
    "shift": _between(0, 0.9),
    "crop_min": _between(0.05, 1),
    "flips": _one_of("none", "horizontal", "both"),
    "brightness": _between(0, 1),
    "contrast": _between(0, 1),
    "saturation": _between(0, 1),
    "views": _between(1, 1000),
    "phase1_views": _between(0, 1000),
}


def preset_names() -> tuple[str, ...]:
    """The presets that ship with batikkit."""
    folder = resources.files("batikkit") / "presets"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_config(preset: str = "paper", *, overrides: Sequence[str] = (), **settings: Any) -> TrainConfig:
    """A preset (its name or the path of a TOML file), then `key=value` overrides, then keyword settings.

    Keyword settings that are None are ignored, so that a command passes its options through unchanged.

    Raises:
        InputError: an unknown preset, key or value.
    """
    values = _read_preset(preset)
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise InputError(f"--set {override!r} is not key=value: write for example --set dropout=0.3")
        values[key.strip()] = _parse(text.strip())
    values.update({key: value for key, value in settings.items() if value is not None})
    return config_from_mapping(values, source=f"preset {preset}")


def config_from_mapping(values: Mapping[str, Any], *, source: str) -> TrainConfig:
    """Validates a plain mapping.

    Raises:
        InputError: an unknown key or a value of the wrong type or range.
    """
    fields = {f.name: f for f in dataclasses.fields(TrainConfig)}
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in fields:
            raise InputError(f"unknown setting {key!r} in {source}: known are {', '.join(sorted(fields))}")
        checked[key] = _typed(key, value, type(fields[key].default))
    return TrainConfig(**checked)


def to_toml(config: TrainConfig) -> str:
    """The whole configuration as TOML, as written to a run's `config.toml`."""
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in dataclasses.asdict(config).items())


def read_config(path: Path) -> TrainConfig:
    """Reads a run's `config.toml`.

    Raises:
        InputError: missing, not TOML, or with unknown or invalid settings.
    """
    return config_from_mapping(_parse_toml(path), source=str(path))


def _read_preset(preset: str) -> dict[str, Any]:
    if preset.endswith(".toml"):
        return _parse_toml(Path(preset))
    if preset not in preset_names():
        raise InputError(f"unknown preset {preset!r}: choose {', '.join(preset_names())} or name a .toml file")
    text = (resources.files("batikkit") / "presets" / f"{preset}.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text))


def _parse_toml(path: Path) -> dict[str, Any]:
    try:
        return dict(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"cannot read settings {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"settings {path} are not TOML: {error}") from error


def _parse(text: str) -> Any:
    """A command-line value, read as TOML and, failing that, as a bare string (`flips=both`)."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _typed(key: str, value: Any, kind: type) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is tuple and isinstance(value, (list, tuple)) and all(isinstance(v, (int, float)) for v in value):
        return tuple(float(v) for v in value)
    if type(value) is not kind:
        raise InputError(f"setting {key} is {value!r}: it must be a {kind.__name__}")
    return value


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml_value(v) for v in value) + "]"
    return repr(value)
