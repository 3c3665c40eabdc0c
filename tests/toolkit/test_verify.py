"""`batikkit verify` on the committed folder: it holds, and whatever is changed in it is named."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batikkit.assets import verify
from batikkit.assets.golden import read_expected
from batikkit.assets.manifest import read_assets_manifest
from batikkit.assets.verify import verify_folder
from batikkit.cli import main
from batikkit.errors import InputError, VerificationError
from batikkit.tflite.runtime import LoadedModel

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "android_demo_assets"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("ai_edge_litert")
    return Path(shutil.copytree(COMMITTED, tmp_path / "assets"))


def _run(*command: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(part) for part in command])
    return int(stopped.value.code or 0)


def _relist(folder: Path, name: str) -> None:
    """Makes the manifest agree with a changed file, as somebody would who edits both."""
    path = folder / "manifest.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(raw), encoding="utf-8")


def test_the_committed_folder_holds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    assert _run("verify", COMMITTED, "--json", tmp_path / "passed.json") == 0
    said = capsys.readouterr().out
    assert said.count("ok  ") == 6
    assert "batik_int8.tflite: scores of 10 golden images, 3 times in another order" in said
    passed = json.loads((tmp_path / "passed.json").read_text(encoding="utf-8"))["passed"]
    assert max(done["largest_difference"] or 0 for done in passed) <= 0.08


def test_the_committed_folder_keeps_its_promises() -> None:
    files = [path for path in COMMITTED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 6_000_000
    manifest = read_assets_manifest(COMMITTED)
    assert {variant.name for variant in manifest.variants} == {"float16", "int8"}
    assert {path.relative_to(COMMITTED).as_posix() for path in files} == {
        *manifest.files, *(variant.file for variant in manifest.variants), "manifest.json",
    }  # fmt: skip
    vectors = read_expected(COMMITTED / "golden" / "expected.json")
    assert len(vectors) >= 8
    assert all((COMMITTED / "golden" / vector.file).stat().st_size <= 30_720 for vector in vectors)
    assert {vector.orientation for vector in vectors} == {1, 6}
    assert {v.width > v.height for v in vectors} == {True, False}
    labels = (COMMITTED / "labels.txt").read_bytes()
    assert labels == (COMMITTED / "labels_without_background.txt").read_bytes()
    card = (COMMITTED / "model_card.md").read_text(encoding="utf-8")
    assert "drawn motifs, not on photographs" in card
    assert "never seen a photograph" in card


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("name", ["batik_int8.tflite", "labels.txt", "golden/03-landscape.png", "README.md"])
@pytest.mark.parametrize("damage", [_flip, Path.unlink])
def test_a_changed_or_missing_file_is_named(
    folder: Path, name: str, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    damage(folder / name)
    assert _run("verify", folder) == 1
    assert name in capsys.readouterr().err


def test_labels_in_another_order(folder: Path) -> None:
    path = folder / "labels.txt"
    path.write_text("\n".join(reversed(path.read_text(encoding="utf-8").split())) + "\n", encoding="utf-8")
    _relist(folder, "labels.txt")
    with pytest.raises(VerificationError, match=r"labels\.txt names"):
        list(verify_folder(folder))


class _RightAtFirst:
    """A stand-in for a processor that no test has: right until `after` answers, then the previous picture's scores."""

    def __init__(self, model: LoadedModel, after: int) -> None:
        self._model, self._left, self._previous = model, after, None
        self.input, self.runtime = model.input, model.runtime

    def classify(self, pixels: np.ndarray) -> np.ndarray:
        self._left -= 1
        scores = self._model.classify(pixels)
        answer, self._previous = (scores if self._left >= 0 else self._previous), scores
        return answer


@pytest.mark.parametrize(
    ("after", "says"), [(5, ":"), (10, " in round 2, after 1 right:"), (22, " in round 3, after 2")]
)
def test_a_runtime_that_is_right_only_at_first(
    folder: Path, after: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = verify.open_variant

    def open_variant(*place: object, runtime: str | None) -> _RightAtFirst:
        return _RightAtFirst(right(*place, runtime=runtime), after)

    monkeypatch.setattr(verify, "open_variant", open_variant)
    with pytest.raises(VerificationError, match=rf"\.png{says}"):
        list(verify_folder(folder))


def test_a_golden_score_beyond_its_tolerance(folder: Path) -> None:
    path = folder / "golden" / "expected.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["images"][4]["scores"]["int8"]["antialias"].reverse()
    path.write_text(json.dumps(raw), encoding="utf-8")
    _relist(folder, "golden/expected.json")
    with pytest.raises(VerificationError, match=r"batik_int8\.tflite on 05-sideways\.png: a score differs"):
        list(verify_folder(folder))


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "[" * 100_000, '{"schema_version": 9}', '{"schema_version": 1, "variants": []}']
)
def test_manifests_that_are_none(folder: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "manifest.json").write_text(content, encoding="utf-8")
    assert _run("verify", folder) == 2
    assert "manifest.json" in capsys.readouterr().err
    with pytest.raises(InputError):
        read_assets_manifest(folder.parent)


def test_it_needs_no_tensorflow(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    blocked = ("tensorflow", "tf_keras", "keras", "matplotlib", "scipy", "sklearn")
    script = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in blocked)
    script += f"from batikkit.cli import main\nmain(['verify', {str(COMMITTED)!r}])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_bench_takes_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ai_edge_litert")
    assert _run("bench", COMMITTED, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "int8: 0.6" in said
    assert "8 motifs" in said


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("rejection", "threshold"), "0.5", "threshold"),
        (("rejection", "threshold"), None, "threshold"),
        (("rejection", "threshold"), float("nan"), "threshold"),
        (("rejection", "temperature"), 0, "temperature"),
        (("rejection", "temperature"), -1, "temperature"),
        (("rejection", "temperature"), True, "temperature"),
        (("variants", 0, "tolerance"), float("inf"), "tolerance"),
        (("variants", 0, "file"), "../batik_int8.tflite", "no path in the folder"),
        (("variants", 0, "file"), "", "no path in the folder"),
        (("files", "../labels.txt"), "", "no path in the folder"),
        (("files", "/etc/hostname"), "", "no path in the folder"),
        (("labels",), "abc", "labels"),
        (("variants", 0, "manifest", "input", "shape"), [], "input shape"),
        (("variants", 0, "manifest", "input", "shape"), [1, 96, 96.5, 3], "input shape"),
        (("variants", 1, "manifest", "output", "shape"), [1], "output shape"),
        (("variants", 1, "manifest", "output", "shape"), "18", "output shape"),
    ],
)
def test_a_manifest_with_a_wrong_value_is_damaged(
    folder: Path, place: tuple[str | int, ...], value: object, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rule that refuses all, or names all, and files outside the folder: nobody is to work with those."""
    raw = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    part = raw
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    (folder / "manifest.json").write_text(json.dumps(raw), encoding="utf-8")
    for command in (("verify", folder), ("predict", folder, folder / "golden" / "01-as-is.png")):
        assert _run(*command) == 2
        message = capsys.readouterr().err
        assert "is damaged" in message
        assert says in message
        assert message.count("\n") == 1


def _claims(folder: Path) -> list[tuple[str | int, ...]]:
    """Where the manifest says something of a model that the model itself tells."""
    (variant, *_) = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["variants"]
    said = variant["manifest"]
    tensors = [
        (side, name) for side in ("input", "output") for name in ("name", "shape", "dtype", "scale", "zero_point")
    ]
    return [*tensors, ("size_bytes",), ("integer_only",), *(("ops", name, "count") for name in said["ops"])]


def test_what_the_manifest_says_of_a_model_is_held_against_it(folder: Path) -> None:
    path = folder / "manifest.json"
    whole = path.read_text(encoding="utf-8")
    for place in _claims(folder):
        raw = json.loads(whole)
        part = raw["variants"][0]["manifest"]
        for name in place[:-1]:
            part = part[name]
        old = part[place[-1]]
        part[place[-1]] = [2, *old[1:]] if isinstance(old, list) else f"{old}x" if isinstance(old, str) else not old
        if isinstance(old, int | float) and not isinstance(old, bool):
            part[place[-1]] = old + 1
        path.write_text(json.dumps(raw), encoding="utf-8")
        with pytest.raises(VerificationError, match=place[0]):
            list(verify_folder(folder))
    path.write_text(whole, encoding="utf-8")
    assert list(verify_folder(folder))


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (lambda images: images[:0], "nothing would be proven"),
        (lambda images: [{**images[0], "file": "../labels.txt"}], "no path in the folder"),
        (lambda images: [{**images[0], "scores": {"float16": {"antialias": 0.1}}}], "no list of numbers"),
        (lambda images: [{**images[0], "scores": {"float16": {"antialias": [0.1, 0.9]}}}], "has 2 of 8 scores"),
        (lambda images: [{**images[0], "scores": {"float16": {"antialias": [0.5]}}}], "has 1 of 8 scores"),
        (lambda images: [{**images[0], "scores": {}}], "has no scores of float16"),
    ],
)
def test_golden_vectors_that_prove_nothing(folder: Path, images: Callable[[list[Any]], list[Any]], says: str) -> None:
    path = folder / "golden" / "expected.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**raw, "images": images(raw["images"])}), encoding="utf-8")
    _relist(folder, "golden/expected.json")
    with pytest.raises(InputError, match=says):
        list(verify_folder(folder))
