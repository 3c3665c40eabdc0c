from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from batikkit.config import TrainConfig, load_config
from batikkit.errors import InputError
from batikkit.network import model
from batikkit.network.keras_backend import keras, tf

pytestmark = pytest.mark.slow
SMALL = TrainConfig(image_size=96, alpha=0.35)


def test_the_papers_layer_table_and_parameter_counts() -> None:
    net = model.build_model(load_config("paper"), classes=20)
    assert net.count_params() == 2_283_604
    assert model.trainable_parameters(net) == 25_620
    rows = {row.name: row for row in model.layer_table(net)}
    assert rows["out_relu"].output_shape == (9, 9, 1280)
    assert rows["prediction"].parameters == 25_620
    backbone = sum(layer.count_params() for layer in model.backbone_layers(net))
    assert backbone == 2_257_984
    assert not any(isinstance(layer, keras.Model) for layer in net.layers), "flat, for quantization-aware training"


def test_layer_numbers_are_keras_own() -> None:
    net = model.build_model(SMALL, classes=3)
    own = keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=None)
    ours = [layer.name for layer in model.backbone_layers(net)]
    assert ours[1:] == [layer.name for layer in own.layers][1:]
    model.unfreeze_above(net, frozen_layers=100, batch_norm_frozen=True)
    trained = [layer.name for layer in net.layers if layer.trainable_weights]
    assert trained[0] == "block_11_depthwise"
    assert not any("BN" in name for name in trained)
    assert model.cut_layer(net, frozen_layers=100) == "block_10_project_BN"
    assert model.cut_layer(net, frozen_layers=-1) is None
    assert model.cut_layer(net, frozen_layers=153) == "out_relu"


def test_pixels_are_scaled_inside_and_scores_sum_to_one() -> None:
    net = model.build_model(SMALL, classes=3)
    scaled = keras.Model(net.input, net.get_layer(model.RESCALING).output)
    ends = np.stack([np.zeros((96, 96, 3)), np.full((96, 96, 3), 255)]).astype(np.float32)
    answers = scaled(ends).numpy()
    assert (answers.min(), answers.max()) == pytest.approx((-1.0, 1.0), abs=1e-6)
    assert net(ends).numpy().sum(axis=1) == pytest.approx([1, 1], abs=1e-5)


def test_real_weights_are_loaded_and_wrong_ones_named(weights_035: Path, tmp_path: Path) -> None:
    blank = model.build_model(SMALL, classes=3)
    loaded = model.build_model(SMALL, classes=3, weights=weights_035)
    first = [net.get_layer("Conv1").get_weights()[0] for net in (blank, loaded)]
    assert not np.allclose(*first)
    with pytest.raises(InputError, match=r"alpha 0.35, not 1: give --backbone-alpha 0.35"):
        model.build_model(TrainConfig(image_size=96), classes=3, weights=weights_035)
    with pytest.raises(InputError, match="--weights PATH"):
        model.build_model(SMALL, classes=3, weights=tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(InputError, match="no HDF5 file"):
        model.build_model(SMALL, classes=3, weights=tmp_path / "text.h5")


def test_offline_download_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there: the download fails at once
    monkeypatch.setattr(keras.utils, "get_file", _without_cache(keras.utils.get_file, tmp_path))
    with pytest.raises(InputError, match="give a local file with --weights PATH") as caught:
        model.build_model(SMALL, classes=3, weights="imagenet")
    assert "\n" not in str(caught.value)


def _without_cache(get_file, folder: Path):  # type: ignore[no-untyped-def]
    return lambda name, origin, **options: get_file(name, origin, **{**options, "cache_dir": str(folder)})


def test_cached_features_agree_with_keras(weights_035: Path) -> None:
    from batikkit.training.features import FrozenFeatures

    net = model.build_model(SMALL, classes=3, weights=weights_035)
    layers = ("block_10_project_BN", model.POOL)
    images = np.random.default_rng(0).integers(0, 256, (37, 96, 96, 3)).astype(np.float32)
    extracted = FrozenFeatures.of(net, layers)(images)
    plain = keras.Model(net.input, [net.get_layer(name).output for name in layers])(images)
    for name, reference in zip(layers, plain, strict=True):
        assert extracted[name].shape == reference.shape
        assert np.abs(extracted[name] - reference.numpy()).max() < 1e-3


def test_written_features_keep_view_and_image_apart(tmp_path: Path, weights_035: Path) -> None:
    from batikkit.training.features import FrozenFeatures, fill_features, new_features

    net = model.build_model(SMALL, classes=3, weights=weights_035)
    extract = FrozenFeatures.of(net, (model.POOL,))
    rng = np.random.default_rng(1)
    views = rng.integers(0, 256, (2, 35, 96, 96, 3)).astype(np.float32)
    kept = new_features(tmp_path, "train", extract.shapes[model.POOL], count=35, views=2)
    assert kept.shape == (2, 35, 1280)
    seen: list[tuple[int, int]] = []
    for view in (0, 1):
        fill_features(
            {model.POOL: kept}, extract, lambda v, i: views[v, i], views=[view], advance=lambda *n: seen.append(n)
        )
    assert seen == [(32, 35), (35, 35)] * 2
    assert np.allclose(kept[1, 34], extract(views[1, 34:])[model.POOL][0], atol=2e-3)


def test_augmentation_is_a_function_of_its_key() -> None:
    from batikkit.training.views import draw_views

    config = load_config("small-data")
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    together = draw_views(images, config=config, view=1, indices=np.arange(4))
    alone = draw_views(images[2:3], config=config, view=1, indices=np.array([2]))
    assert np.allclose(together[2], alone[0], atol=1e-3)
    assert not np.allclose(together, draw_views(images, config=config, view=2, indices=np.arange(4)), atol=1)
    assert together.min() >= 0
    assert together.max() <= 255


def test_no_augmentation_leaves_the_pixels_alone() -> None:
    from batikkit.training.views import draw_views

    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    still = TrainConfig(rotation=0.0, zoom=0.0)
    assert np.allclose(draw_views(images, config=still, view=0, indices=np.arange(3)), images, atol=1e-3)


def test_quarter_turns_are_exact_rotations() -> None:
    from batikkit.training.views import draw_views

    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    turning = TrainConfig(rotation=0.0, zoom=0.0, quarter_turns=True)
    seen = set()
    for view in range(24):
        turned = draw_views(image, config=turning, view=view, indices=np.array([0]))[0]
        seen |= {k for k in range(4) if np.abs(turned - np.rot90(image[0], k)).max() < 0.5}
    assert seen == {0, 1, 2, 3}


def test_learning_rate_schedules() -> None:
    from batikkit.training.schedule import Phase, rate_at

    phase = Phase("head", 10, 1.0, views=1)
    cosine = TrainConfig(schedule="cosine", warmup_epochs=2.0)
    rates = [rate_at(cosine, phase, at=p, scale=1.0) for p in (0, 1, 2, 6, 10)]
    assert rates == pytest.approx([0.0, 0.5, 1.0, 0.5, 0.0])
    assert rate_at(TrainConfig(), phase, at=3, scale=0.2) == pytest.approx(0.2)


def test_the_layer_file_of_a_run_matches_the_model() -> None:
    from batikkit.network.layers import encode_layers

    net = model.build_model(SMALL, classes=3)
    rows = list(csv.DictReader(encode_layers(model.layer_table(net)).splitlines()))
    assert sum(int(row["parameters"]) for row in rows) == net.count_params()
    assert [row["layer"] for row in rows if row["trained_in_phase_1"] == "yes"] == ["prediction"]


def test_tensorflow_sees_no_gpu_or_the_engine_is_keras() -> None:
    from batikkit.training.feeds import wants_cache

    assert wants_cache("auto") == (not tf.config.list_physical_devices("GPU"))
    with pytest.raises(InputError, match="choose auto, cached, keras"):
        wants_cache("fast")


def test_the_plain_network_is_what_its_page_says() -> None:
    from batikkit.network.plain_cnn import scratch_config

    paper = load_config("paper")
    config = scratch_config(paper)
    assert (config.phase1_epochs, config.phase2_epochs) == (0, paper.phase1_epochs + paper.phase2_epochs)
    net = model.build_model(config, classes=10)
    assert net.count_params() == 396_666
    assert net.count_params() - model.trainable_parameters(net) == 992
    assert net.get_layer(model.POOL).input.shape[1:] == (9, 9, 256)
    assert net(np.zeros((1, 288, 288, 3), np.float32)).numpy().sum() == pytest.approx(1.0)
    with pytest.raises(InputError, match="use --weights none"):
        model.build_model(config, classes=10, weights="imagenet")
    with pytest.raises(InputError, match="nothing to freeze"):
        model.build_model(TrainConfig(network="plain-cnn"), classes=10)


def test_size_and_width_are_free() -> None:
    for size, alpha, channels in ((64, 0.5, 1280), (160, 1.4, 1792)):
        net = model.build_model(load_config("paper", image_size=size, alpha=alpha), classes=4)
        assert net.input.shape[1:] == (size, size, 3)
        assert net.get_layer(model.POOL).input.shape[1:] == (size // 32, size // 32, channels)
        assert model.cut_layer(net, frozen_layers=100) is not None
