"""Untrained networks and the pack that they travel in; that they are as long as trained ones is in `test_fit.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from batikkit.errors import InputError
from batikkit.fit.pack import Pack, read_pack, write_pack
from batikkit.tflite.file import verify_tflite

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pack(untrained: dict[str, bytes]) -> Pack:
    return Pack(
        ("across", "diagonal", "upright"),
        {("mobilenet-v2", 0.35, variant): content for variant, content in untrained.items()},
    )


def test_the_pack_is_small_and_read_back(pack: Pack, tmp_path: Path) -> None:
    write_pack(tmp_path / "pack.zip", pack)
    assert read_pack(tmp_path / "pack.zip") == pack
    assert (tmp_path / "pack.zip").stat().st_size < sum(map(len, pack.files.values())) / 8
    write_pack(tmp_path / "again.zip", pack)
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "pack.zip").read_bytes()


def test_what_is_no_pack_is_one_line(pack: Pack, tmp_path: Path) -> None:
    write_pack(tmp_path / "pack.zip", pack)
    content = (tmp_path / "pack.zip").read_bytes()
    damaged = bytearray(content)
    damaged[len(content) // 2] ^= 255
    write_pack(tmp_path / "empty.zip", Pack(("a",), {}))
    for name, bad in {
        "cut": content[:-100], "damaged": bytes(damaged), "text": b"hello", "nothing": b"",
        "empty": (tmp_path / "empty.zip").read_bytes(),
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(bad)
        with pytest.raises(InputError, match=name) as told:
            read_pack(tmp_path / name)
        assert "\n" not in str(told.value)
    with pytest.raises(InputError, match="cannot read pack"):
        read_pack(tmp_path / "absent.zip")


def test_weights_repeat_but_no_layer_is_dead(pack: Pack) -> None:
    """All-zero filters could be skipped by a clever kernel."""
    _, (graph, *_) = verify_tflite(pack.files["mobilenet-v2", 0.35, "int8"], name="int8")
    kernels = [t.data for t in graph.tensors if t.data is not None and t.dtype == "int8" and len(t.shape) == 4]
    assert len(kernels) > 30
    assert all(np.count_nonzero(kernel) > 0.9 * len(kernel) for kernel in kernels)
