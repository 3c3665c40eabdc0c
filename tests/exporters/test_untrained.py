"""An untrained network's file is the trained one's but for its numbers: as long, and of the same work."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from batikkit.errors import InputError, VerificationError
from batikkit.fit.candidates import VARIANTS, Candidate
from batikkit.fit.pack import Pack, read_pack, write_pack
from batikkit.labels import read_labels
from batikkit.tflite.file import verify_tflite

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(stripes_for_training: Path, weights_or_none: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export folder of a run trained as `fit` trains."""
    from batikkit.console import progress
    from batikkit.data.prepared import Grouping, load_dataset
    from batikkit.training.session import Beginning, Means, train
    from batikkit_exporters.export.run import export_run

    data = load_dataset(stripes_for_training, grouping=Grouping(unit="copy"), ratios=(0.8, 0.1, 0.1))
    candidate = Candidate("mobilenet-v2", 0.35, 96)
    beginning = Beginning(tmp_path_factory.mktemp("runs"), candidate.preset, weights_or_none)
    quick = dataclasses.replace(candidate.config(), views=1, phase1_epochs=1)
    trained = train(data, quick, beginning, Means(progress))
    with contextlib.suppress(VerificationError):  # how right it is after so little is not what is asked
        export_run(trained.run, variants=VARIANTS, keep=True)
    return trained.run / "export"


@pytest.fixture(scope="module")
def pack(exported: Path) -> Pack:
    from batikkit_exporters.export.untrained import untrained_pack

    return untrained_pack([("mobilenet-v2", 0.35)], tuple(read_labels(exported / "labels.txt")))


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_is_as_long_as_the_exported_file_and_does_the_same_work(exported: Path, pack: Pack, variant: str) -> None:
    trained = (exported / f"{variant}.tflite").read_bytes()
    untrained = pack.file(Candidate("mobilenet-v2", 0.35, 96), variant)
    assert len(untrained) == len(trained)
    facts = []
    for content in (untrained, trained):
        _, (graph, *_) = verify_tflite(content, name=variant)
        facts.append(
            (
                [(t.shape, t.dtype, t.data is None) for t in graph.tensors],
                [(o.name, o.version, [t and t.index for t in (*o.inputs, *o.outputs)]) for o in graph.operators],
            )
        )
    assert facts[0] == facts[1]


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
