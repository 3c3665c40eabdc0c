"""`batikkit assets` on a real, freshly trained and exported run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from batikkit.assets import litert_js
from batikkit.assets.build import Extras, build_assets
from batikkit.assets.golden import read_expected
from batikkit.assets.verify import verify_folder
from batikkit.cli import main
from batikkit.digest import file_sha256
from batikkit.errors import InputError, VerificationError
from batikkit.export_record import read_export_record, write_export_record
from batikkit.manifest import read_manifest, write_manifest
from batikkit.parity_pack import iter_images, read_parity_pack, write_parity_pack


@pytest.fixture(scope="module")
def run(short_run: Path) -> Path:
    from batikkit_exporters.export.run import export_run

    if not (short_run / "export" / "int8.tflite").exists():
        export_run(short_run, variants=("float16", "int8"))
    return short_run


@pytest.mark.slow
def test_a_folder_is_written_verified_and_replaced(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "assets"
    made = build_assets(run, out)
    assert len(list(verify_folder(out))) == 2 + 2 * len(made.manifest.variants)
    for variant in made.manifest.variants:
        exported = (run / "export" / f"{variant.name}.tflite").read_bytes()
        assert (out / variant.file).read_bytes() == exported
    card = (out / "model_card.md").read_text(encoding="utf-8")
    assert "photographs" in card
    assert "$" not in card
    assert "seen in training" not in card
    assert len(read_expected(out / "golden" / "expected.json")) == 10
    before = {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="not empty"):
        build_assets(run, out)
    for mine in ("notes.txt", "golden/11-mine.png", "photos/kept.jpg", "web"):
        path = out / mine
        path.parent.mkdir(exist_ok=True)
        path.mkdir() if mine == "web" else path.write_text("mine")
        with pytest.raises(InputError, match=f"did not write: {mine}; move it away"):
            build_assets(run, out, replace=True)
        path.rmdir() if mine == "web" else path.unlink()
        if mine.startswith("photos"):
            path.parent.rmdir()
    with pytest.raises(InputError, match=r"did not write: late\.txt"):
        build_assets(run, out, replace=True, report=lambda _line: (out / "late.txt").write_text("mine"))
    assert (out / "late.txt").read_text() == "mine"
    (out / "late.txt").unlink()
    assert before == {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (out / "README.md").write_text("changed by hand")
    said: list[str] = []
    build_assets(run, out, replace=True, report=said.append)
    assert "replaced although they were changed by hand: README.md" in said
    assert before == {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert [path.name for path in tmp_path.iterdir()] == ["assets"]


@pytest.mark.slow
def test_the_card_tells_groups_and_what_the_split_lacks(run: Path, tmp_path: Path) -> None:
    """The same pixels as two cloths in all, some of which training saw."""
    copied = Path(shutil.copytree(run, tmp_path / run.name))
    pack = read_parity_pack(run / "export" / "parity.npz")
    write_parity_pack(
        copied / "export" / "parity.npz",
        iter_images(pack),
        labels=pack.labels,
        probabilities=pack.probabilities,
        names=pack.names,
        groups=[f"cloth {index % 2}" for index in range(len(pack.names))],
        image_size=pack.image_shape[0],
        caution="test cloths were seen in training",
    )
    record = read_export_record(copied / "export")
    assert record is not None
    files = {**record.files, "parity.npz": file_sha256(copied / "export" / "parity.npz")}
    write_export_record(copied / "export", replace(record, files=files))
    packages = Path(__file__).parents[1] / "browser" / "node_modules" / "@litertjs"
    engine = litert_js.obtain(packages) if packages.is_dir() else None
    plain = build_assets(run, tmp_path / "plain")
    told = build_assets(copied, tmp_path / "told", extras=Extras(engine, hub_header=True, croissant=True))
    assert len(list(verify_folder(told.folder))) == 2 + 2 * len(told.manifest.variants)
    assert not (plain.folder / "web").exists()
    assert "`web/` |" not in (plain.folder / "README.md").read_text(encoding="utf-8")
    if engine is not None:
        assert {"web/index.html", "web/sw.js", "web/litert/LICENSE"} <= set(told.manifest.files)
        assert "`web/` |" in (told.folder / "README.md").read_text(encoding="utf-8")
    card = (told.folder / "model_card.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlanguage: ")
    assert not (plain.folder / "model_card.md").read_text(encoding="utf-8").startswith("---")
    assert (told.folder / "croissant" / "split.csv").read_bytes() == (run / "split.csv").read_bytes()
    assert not (plain.folder / "croissant").exists()
    assert "**Test cloths were seen in training.**" in card
    assert f"n = {len(pack.names)} images in 2 independent groups" in card
    for alone, together in zip(plain.figures, told.figures, strict=True):
        assert together.evaluation.report.accuracy == alone.evaluation.report.accuracy
        for wide, narrow in (
            (together.evaluation.report.accuracy_ci95, alone.evaluation.report.accuracy_ci95),
            (together.drop_ci95_pp, alone.drop_ci95_pp),
        ):
            assert wide[1] - wide[0] > narrow[1] - narrow[0]


@pytest.mark.slow
def test_what_cannot_be_built(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "photos"
    other.mkdir()
    (other / "a.txt").write_text("mine")
    with pytest.raises(InputError, match="not a folder of assets"):
        build_assets(run, other, replace=True)
    assert (other / "a.txt").read_text() == "mine"
    with pytest.raises(InputError, match="--data DIR"):
        build_assets(run, tmp_path / "out", data=tmp_path / "moved")
    copied = Path(shutil.copytree(run, tmp_path / run.name))
    passport = copied / "export" / "int8.json"
    proven = read_manifest(passport)
    assert proven.proof is not None
    write_manifest(
        passport, replace(proven, proof=replace(proven.proof, agreement=0.4, least_agreement=0.99, kept=True))
    )
    with pytest.raises(VerificationError, match=r"int8\.tflite breaks its promise .*40\.0%.*promised 99\.0%"):
        build_assets(copied, tmp_path / "out")
    write_manifest(passport, proven)
    model = copied / "export" / "int8.tflite"
    model.write_bytes(model.read_bytes() + b"x")
    with pytest.raises(VerificationError, match=r"int8\.tflite is not the file"):
        build_assets(copied, tmp_path / "out")
    shutil.rmtree(copied / "export")
    with pytest.raises(SystemExit) as stopped:
        main(["assets", str(copied), "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert "batikkit export" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
