"""Labels, photographs and files that do not belong together are noticed by everybody who reads them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

from striped import LABELS, striped_network

from batikkit.cli import main
from batikkit.export_record import EXPORT_FILE, ExportRecord, Origin, read_export_record, write_export_record
from batikkit.labels import read_labels, write_labels
from batikkit.manifest import manifest_path

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]


def _run(*words: object) -> int:
    with pytest.raises(SystemExit) as done:
        main([str(word) for word in words])
    return int(done.value.code or 0)


@pytest.fixture(scope="module")
def exported(short_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("contradictions") / short_run.name
    shutil.copytree(short_run, run, ignore=shutil.ignore_patterns("export"))
    assert _run("export", run, "--float32", "--int8", "--calibration-size", "12") == 0
    return run


@pytest.fixture
def run(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / exported.name))


def _swap(labels: Path) -> None:
    first, second, *others = read_labels(labels)
    write_labels(labels, [second, first, *others])


READERS: dict[str, Callable[[Path, Path], list[object]]] = {
    "predict": lambda run, data: ["predict", run / "export/int8.tflite", next(data.glob("*/*.png"))],
    "bench": lambda run, _data: ["bench", run, "--budget", "default", "--min-samples", 10, "--min-seconds", 0],
    "bench --dry-run": lambda run, _data: ["bench", run / "export/int8.tflite", "--dry-run"],
    "evaluate": lambda run, data: ["evaluate", run / "export/int8.tflite", "--data", data],
    "assets": lambda run, _data: ["assets", run, "--out", run / "assets", "--no-web"],
}
WITNESSES = {
    "all three": (),
    "the file itself": (EXPORT_FILE, "int8.json", "float32.json"),
    "the record and the file": ("int8.json", "float32.json"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("witness", WITNESSES)
def test_labels_in_another_order_are_refused(
    reader: str, witness: str, run: Path, stripes_for_training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if reader == "assets" and WITNESSES[witness]:
        pytest.skip("a folder without manifests is none to make assets of")
    for name in WITNESSES[witness]:
        (run / "export" / name).unlink()
    _swap(run / "export/labels.txt")
    capsys.readouterr()
    assert _run(*READERS[reader](run, stripes_for_training)) == 1
    assert "labels.txt" in capsys.readouterr().err.splitlines()[-1]
    assert not (run / "assets").exists()


@pytest.mark.parametrize("reader", READERS)
def test_labels_that_are_right_pass(reader: str, run: Path, stripes_for_training: Path) -> None:
    if reader.startswith("bench"):  # a gate may fail on so few photographs, which is no contradiction
        assert _run("bench", run, "--dry-run") == 0
    elif reader == "evaluate":
        assert _run("evaluate", run / "export/int8.tflite") == 0
    else:
        assert _run(*READERS[reader](run, stripes_for_training)) == 0


def test_labels_by_hash_alone_are_compared(run: Path, stripes_for_training: Path) -> None:
    """A file for microcontrollers carries no labels: its manifest's hash is the only witness."""
    folder = run / "export"
    assert _run("export", run, "--int8", "--io", "int8", "--calibration-size", "12") == 0
    image = next(stripes_for_training.glob("*/*.png"))
    assert _run("predict", folder / "int8.tflite", image) == 0
    (folder / EXPORT_FILE).unlink()
    _swap(folder / "labels.txt")
    assert _run("predict", folder / "int8.tflite", image) == 1
    manifest_path(folder / "int8.tflite").unlink()
    assert _run("predict", folder / "int8.tflite", image) == 0, "nobody is left who could know"


def test_translated_labels_of_the_file_are_its_own(run: Path, stripes_for_training: Path, tmp_path: Path) -> None:
    from batikkit.tflite.metadata import read_metadata

    model = run / "export/int8.tflite"
    metadata = read_metadata(model.read_bytes())
    assert metadata is not None
    image = next(stripes_for_training.glob("*/*.png"))
    for locale, names in metadata.locale_labels.items():
        translated = tmp_path / f"{locale}.txt"
        write_labels(translated, names)
        assert _run("predict", model, image, "--labels", translated) == 0


def test_another_model_does_not_take_the_labels_from_the_files_that_stay(
    run: Path, stripes_for_training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from batikkit.network.keras_backend import keras

    model, labels = tmp_path / "net.keras", tmp_path / "other.txt"
    striped_network(keras, taught=stripes_for_training).save(model)
    labels.write_text("".join(f"{label}\n" for label in LABELS))
    folder = run / "export"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    foreign = ["export", "--model", model, "--labels", labels, "--data", stripes_for_training, "--out", folder]
    capsys.readouterr()
    assert _run(*foreign, "--float32") == 2
    assert "int8.tflite" in capsys.readouterr().err.splitlines()[-1]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert _run(*foreign, "--float32", "--int8", "--calibration-size", "12") == 0, "nothing old would stay"


def test_a_failing_export_leaves_the_folder_as_it_was(run: Path, tmp_path: Path, stripes_for_training: Path) -> None:
    folder = run / "export"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    moved = Path(shutil.copytree(stripes_for_training, tmp_path / "photos"))
    next(moved.glob("upright/*.png")).write_bytes(b"no photograph")
    for path in moved.glob("*/*.png"):
        path.write_bytes(path.read_bytes() + b" ")
    assert _run("export", run, "--float32", "--float16", "--data", moved) == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("changed", ["labels", "model"])
def test_a_run_that_says_something_else_than_when_it_was_trained(
    changed: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if changed == "labels":
        _swap(run / "labels.txt")
    else:
        from batikkit.network.model import load_model

        net = load_model(run / "model.keras")
        kernel, bias = net.layers[-1].get_weights()
        net.layers[-1].set_weights([kernel[:, [1, 2, 0]], bias[[1, 2, 0]]])
        net.save(run / "model.keras")
    shutil.rmtree(run / "export")
    capsys.readouterr()
    assert _run("export", run, "--float32") == 1
    assert "than when it was trained" in capsys.readouterr().err.splitlines()[-1]
    assert not (run / "export").exists()


def test_a_file_that_the_record_does_not_list_so_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parity = run / "export/parity.npz"
    parity.write_bytes(parity.read_bytes() + b" ")
    capsys.readouterr()
    assert _run("bench", run, "--dry-run") == 1
    assert "parity.npz" in capsys.readouterr().err.splitlines()[-1]


def test_the_record_round_trips(tmp_path: Path) -> None:
    record = ExportRecord({"a.tflite": "00"}, {"a": Origin("11", "22")})
    write_export_record(tmp_path, record)
    assert read_export_record(tmp_path) == record
    raw = json.loads((tmp_path / EXPORT_FILE).read_text())
    (tmp_path / EXPORT_FILE).write_text(json.dumps({**raw, "schema_version": 1}))
    assert read_export_record(tmp_path) is None
    (tmp_path / EXPORT_FILE).write_text("{")
    assert read_export_record(tmp_path) is None
