"""What variants share is made once, whoever asks for it, and read again by other processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from striped import photographs, striped_network

from batikkit_exporters.network.network import Network
from batikkit_exporters.quantization import observation, rounding
from batikkit_exporters.variants import VARIANTS
from batikkit_exporters.variants.materials import Materials
from batikkit_exporters.variants.variant import Order

pytestmark = pytest.mark.slow


@pytest.fixture
def materials(stripes_for_training: Path, tmp_path: Path) -> Materials:
    from batikkit.network.frozen_graph import freeze
    from batikkit.network.keras_backend import keras

    images, _ = photographs(stripes_for_training)
    ends = np.stack([np.full(images.shape[1:], value, np.uint8) for value in (0, 255)])
    made = Materials(tmp_path)
    made.put_graph(freeze(striped_network(keras, taught=stripes_for_training)))
    made.put_pixels("calibration", np.concatenate([images[::3], ends]))
    made.put_pixels("train", images)
    return made


def test_pixels_come_back_as_they_were(materials: Materials, stripes_for_training: Path) -> None:
    np.testing.assert_array_equal(materials.train(), photographs(stripes_for_training)[0])
    assert materials.calibration()[-1].min() == 255
    assert materials.calibration()[-2].max() == 0


def test_int8_and_int8_qat_round_once_and_observe_once(materials: Materials, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(name: str, real: Any) -> Any:
        return lambda *given, **named: (calls.append(name), real(*given, **named))[1]

    monkeypatch.setattr(rounding, "round_weights", counted("round", rounding.round_weights))
    monkeypatch.setattr(observation, "observe", counted("observe", observation.observe))
    first = VARIANTS["int8"].make(materials, Order(), lambda _done, _total: None)
    VARIANTS["int8-qat"].make(Materials(materials.folder), Order(), lambda _done, _total: None)  # as another process
    again = VARIANTS["int8"].make(Materials(materials.folder), Order(), lambda _done, _total: None)
    assert sorted(calls) == ["observe", "round"]
    assert first == again


def test_another_process_sees_the_same_network(materials: Materials) -> None:
    here, there = materials.network(), Materials(materials.folder).network()
    assert isinstance(there, Network)
    for index in range(len(here.values)):
        mine, other = here.constant(index), there.constant(index)
        assert (mine is None) == (other is None)
        if mine is not None:
            np.testing.assert_array_equal(mine, other)


def test_half_a_file_is_not_taken_for_one(materials: Materials) -> None:
    """Who makes something writes it under another name first."""
    materials.float32()
    assert not list(materials.folder.glob("*.new"))
