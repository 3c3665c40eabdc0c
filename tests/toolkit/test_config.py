from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from batikkit.config import TrainConfig, config_from_mapping, load_config, preset_names, read_config, to_toml
from batikkit.errors import InputError


def test_every_preset_loads() -> None:
    assert {"paper", "small-data", "best", "smoke", "quickstart"} <= set(preset_names())
    for name in preset_names():
        assert isinstance(load_config(name), TrainConfig)


def test_paper_preset_is_the_papers_table() -> None:
    config = load_config("paper")
    assert (config.image_size, config.alpha, config.dropout, config.batch_size) == (288, 1.0, 0.2, 32)
    assert config.ratios == (0.7, 0.2, 0.1)
    assert (config.phase1_epochs, config.phase1_learning_rate) == (12, 1e-4)
    assert (config.phase2_epochs, config.phase2_learning_rate, config.frozen_layers) == (18, 1e-5, 100)
    assert (config.rotation, config.zoom, config.contrast, config.flips) == (0.05, 0.05, 0.0, "none")
    assert (config.early_stopping_patience, config.schedule, config.monitor) == (5, "plateau", "loss")
    assert (config.label_smoothing, config.mixup, config.class_weights) == (0.0, 0.0, False)
    assert (config.network, config.weight_decay, config.weight_average) == ("mobilenet-v2", 0.0, 0.0)
    assert (config.shift, config.crop_min, config.quarter_turns) == (0.0, 1.0, False)
    assert (config.brightness, config.saturation) == (0.0, 0.0)
    assert (config.plateau_factor, config.plateau_patience, config.batch_norm_frozen) == (0.2, 3, True)


def test_round_trip_through_toml(tmp_path: Path) -> None:
    config = load_config("small-data", overrides=["flips=none", "ratios=[0.6, 0.2, 0.2]"], seed=7)
    path = tmp_path / "config.toml"
    path.write_text(to_toml(config))
    assert read_config(path) == config
    assert dataclasses.asdict(config)["seed"] == 7


def test_overrides_are_typed_and_win_over_the_preset() -> None:
    config = load_config("paper", overrides=["dropout=0.3", "phase1_epochs=3", "quarter_turns=true"], image_size=None)
    assert (config.dropout, config.phase1_epochs, config.quarter_turns, config.image_size) == (0.3, 3, True, 288)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("dropout=1.5", "dropout is 1.5"),
        ("image_size=100", "multiple of 32"),
        ("nonsense=1", "unknown setting 'nonsense'"),
        ("dropout", "not key=value"),
        ("flips=sideways", "one of none, horizontal, both"),
        ("phase1_epochs=2.5", "must be a int"),
        ("ratios=[0.5, 0.5]", "sum to 1"),
        ("quarter_turns=1", "must be a bool"),
        ("phase1_views=4", "at most views, 3"),
    ],
)
def test_wrong_settings_are_named(override: str, says: str) -> None:
    with pytest.raises(InputError, match=says.replace("[", r"\[")):
        load_config("paper", overrides=[override])


def test_unknown_preset_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"choose .*paper"):
        load_config("papre")
    with pytest.raises(InputError, match="cannot read settings"):
        load_config(str(tmp_path / "none.toml"))
    broken = tmp_path / "broken.toml"
    broken.write_text("dropout = ")
    with pytest.raises(InputError, match="not TOML"):
        load_config(str(broken))


def test_a_mapping_is_validated_like_a_preset() -> None:
    with pytest.raises(InputError, match="seed"):
        config_from_mapping({"seed": -1}, source="test")
