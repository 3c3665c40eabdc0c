from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from batikkit.cli import main
from batikkit.config import (
    config_from_mapping,
    load_config,
    preset_names,
    preset_reason,
    read_config,
    to_toml,
    toml_value,
)
from batikkit.errors import InputError
from batikkit.settings import SETTINGS, TrainConfig, meaning, settings_page


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
        ("phase1_epochs=2.5", "a whole number"),
        ("ratios=[0.5, 0.5]", "sum to 1"),
        ("quarter_turns=1", "true or false"),
        ("phase1_views=4", "at most views, 3"),
    ],
)
def test_wrong_settings_are_named(override: str, says: str) -> None:
    with pytest.raises(InputError, match=says.replace("[", r"\[")):
        load_config("paper", overrides=[override])


@pytest.mark.parametrize("text", ["block_13_expand_relu", '"block_13_expand_relu"', '["block_13_expand_relu"]'])
def test_one_layer_may_be_named_without_brackets(text: str) -> None:
    assert load_config("best", overrides=[f"taps={text}"]).taps == ("block_13_expand_relu",)


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


def test_every_setting_says_what_it_takes_and_refuses_the_rest() -> None:
    """One home for each: the page, the help and the refusal repeat what settings.py says."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == settings_page({name: load_config(name) for name in preset_names()}), "batikkit presets --markdown"
    wrong = {str: "nonsense", int: -5, float: -5.0, bool: 3, tuple: (1.0, 1.0, 1.0)}
    for known in SETTINGS:
        assert known.range.accepts(known.default), known.name
        assert known.meaning.endswith("."), known.name
        with pytest.raises(InputError) as refused:
            TrainConfig(**{known.name: wrong[type(known.default)]})
        assert f"setting {known.name} is" in str(refused.value)
        assert str(refused.value).endswith(f"it must be {known.range.words}")


def test_the_help_repeats_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    said = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    for name in ("image_size", "alpha", "seed"):
        assert meaning(name).split(",")[0] in said


def test_presets_are_shown_with_their_reasons_and_settings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["presets"])
    said = capsys.readouterr().out
    for name in preset_names():
        assert name in said
        assert " ".join(preset_reason(name).split()[:3]) in said
    with pytest.raises(SystemExit):
        main(["presets", "best"])
    said = capsys.readouterr().out
    for known in SETTINGS:
        lines = [
            line.split() for line in said.splitlines() if line.split()[:1] == [known.name] and len(line.split()) > 1
        ]
        value = toml_value(getattr(load_config("best"), known.name)).strip('"').split()[0]
        assert value in {words[1].strip('"') for words in lines}, "a line of a meaning may begin with the same word"
