"""The generator: reproducible to the byte, independent of order, whole or not at all, and true to each motif."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import batikkit
from batikkit.data.contact_sheet import contact_sheet
from batikkit.data.synth import MOTIFS, bands, ceplokan, draw_motif, motif_sheet, write_synthetic_set
from batikkit.data.synth.__main__ import main
from batikkit.data.synth.fields import LIGHT, fold
from batikkit.data.synth.isen import ISEN
from batikkit.data.synth.palettes import dye
from batikkit.errors import InputError


def digests(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def grid(side: int, *, repeats: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    axis = ((np.arange(side, dtype=np.float32) + 0.5) / side - 0.5) * np.float32(repeats)
    x, y = np.meshgrid(axis, axis)
    return x, y


def test_the_eight_motifs_are_there_and_described() -> None:
    expected = {"kawung", "parang", "ceplok", "megamendung", "truntum", "nitik", "tambal", "lereng"}
    assert expected <= set(MOTIFS)
    for name, motif in MOTIFS.items():
        assert motif.name == name
        assert min(len(motif.description), len(motif.geometry), len(motif.source)) > 40


def test_motifs_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        MOTIFS["kawung"] = MOTIFS["parang"]  # type: ignore[index]


@pytest.mark.parametrize("name", sorted(MOTIFS))
@pytest.mark.parametrize("size", [32, 97])
def test_a_picture_has_contrast_and_its_size(name: str, size: int) -> None:
    for seed in range(5):
        pixels = draw_motif(name, size=size, rng=np.random.default_rng(seed))
        assert pixels.shape == (size, size, 3)
        assert pixels.dtype == np.uint8
        assert pixels.astype(float).std(axis=(0, 1)).max() > 6


@pytest.mark.parametrize("name", sorted(MOTIFS))
def test_every_slot_a_motif_draws_has_a_colour(name: str) -> None:
    x, y = grid(128, repeats=3)
    for seed in range(20):
        slots = MOTIFS[name].draw(x, y, np.random.default_rng(seed))
        assert slots.dtype == np.uint8
        assert slots.max() < len(dye(np.random.default_rng(seed)))
        assert len(np.unique(slots)) >= 2


@pytest.mark.parametrize("draw", [ceplokan.kawung, ceplokan.truntum, ceplokan.nitik])
def test_grid_motifs_repeat_and_mirror(draw: object) -> None:
    assert callable(draw)
    x, y = grid(120, repeats=1)
    first = draw(x, y, np.random.default_rng(3))
    moved = draw(x + np.float32(2), y - np.float32(3), np.random.default_rng(3))
    # Rounding of moved coordinates may tip single pixels on an edge.
    assert (first == moved).mean() > 0.97
    assert (first == first[:, ::-1]).mean() > 0.97
    assert (first == first[::-1]).mean() > 0.97


def test_kawung_has_four_ovals_round_an_empty_gap() -> None:
    ovals = ISEN["kawung_cilik"](*grid(101, repeats=1))
    assert ovals[25, 25]
    assert ovals[75, 75]
    assert ovals[25, 75]
    assert not ovals[50, 0]
    assert not ovals[0, 50]


def test_parang_bands_are_divided_by_an_even_row_of_diamonds() -> None:
    # Along the middle line of the strip (y = 0.5), 200 pixels to a repeat, one diamond follows per blade.
    x = (np.arange(1200, dtype=np.float32) / 200)[None, :]
    y = np.full_like(x, 0.5)
    for seed in range(10):
        line = bands.parang(x, y, np.random.default_rng(seed))[0]
        assert len(np.unique(line)) >= 2
        agreement = [(line[p:] == line[:-p]).mean() for p in range(58, 92)]
        assert max(agreement) > 0.95 > min(agreement), f"seed {seed}"


def test_lereng_bands_are_straight_and_bounded_by_plain_lines() -> None:
    x, y = grid(400, repeats=1)
    for seed in range(10):
        slots = bands.lereng(x, y, np.random.default_rng(seed))
        plain_rows = (slots == slots[:, :1]).all(axis=1)
        changes = np.count_nonzero(np.diff(plain_rows.astype(int)) == 1)
        assert 4 <= changes <= 14, f"seed {seed}"


def test_nitik_is_made_of_separate_small_marks() -> None:
    x, y = grid(390, repeats=1)
    for seed in range(6):
        slots = ceplokan.nitik(x, y, np.random.default_rng(seed))
        light = slots == LIGHT
        run_lengths = [len(run) for row in light for run in "".join("x" if v else " " for v in row).split()]
        assert np.median(run_lengths) < 390 / 11


def test_megamendung_clouds_are_shaded_in_steps() -> None:
    x, y = grid(300, repeats=2)
    for seed in range(6):
        shades = np.unique(bands.megamendung(x, y, np.random.default_rng(seed)))
        assert (shades >= 5).sum() >= 4


def test_fold_gives_the_distance_to_the_nearest_repeat() -> None:
    assert fold(np.array([0.2, 0.8, -1.3], np.float32)) == pytest.approx([0.2, -0.2, -0.3], abs=1e-6)


def test_colour_does_not_give_the_motif_away() -> None:
    # Nearest neighbour on 4x4x4 colour histograms, leave one out: chance is 1/8.
    names = sorted(MOTIFS)
    count = 30
    images = [
        draw_motif(n, size=48, rng=np.random.default_rng([7, k, i])) for k, n in enumerate(names) for i in range(count)
    ]
    histograms = np.array([np.histogramdd(i.reshape(-1, 3), bins=4, range=[(0, 256)] * 3)[0].ravel() for i in images])
    roots = np.sqrt(histograms / histograms.sum(axis=1, keepdims=True))
    likeness = roots @ roots.T
    np.fill_diagonal(likeness, -1)
    labels = np.repeat(np.arange(len(names)), count)
    assert (labels[likeness.argmax(axis=1)] == labels).mean() < 0.45


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_synthetic_set(tmp_path / name, motifs=list(MOTIFS), per_class=2, size=40, seed=5)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert len(digests(tmp_path / "a")) == 2 * len(MOTIFS) + 1


def test_a_picture_depends_on_neither_order_nor_company(tmp_path: Path) -> None:
    write_synthetic_set(tmp_path / "a", motifs=["kawung", "parang", "nitik"], per_class=3, size=40, seed=5)
    write_synthetic_set(tmp_path / "b", motifs=["parang", "kawung"], per_class=2, size=40, seed=5)
    a, b = digests(tmp_path / "a"), digests(tmp_path / "b")
    shared = {k for k in b if k.endswith(".png")}
    assert len(shared) == 4
    assert all(a[k] == b[k] for k in shared)


def test_another_seed_draws_other_pictures(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_synthetic_set(tmp_path / str(seed), motifs=["kawung"], per_class=2, size=40, seed=seed)
    pngs = [d for s in (1, 2) for k, d in digests(tmp_path / str(s)).items() if k.endswith(".png")]
    assert len(set(pngs)) == 4


def test_without_variety_the_cloth_hangs_straight() -> None:
    # Lereng's bands then run along the rows, whichever the seed; the small tilt of the camera stays.
    for seed in range(6):
        grey = draw_motif("lereng", size=96, rng=np.random.default_rng(seed), variety=0.0).mean(axis=2)
        assert grey.mean(axis=1).std() > 1.5 * grey.mean(axis=0).std(), f"seed {seed}"


def test_the_set_says_how_it_was_made_and_reports_progress(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    paths = write_synthetic_set(
        tmp_path / "set",
        motifs=["truntum", "lereng"],
        per_class=2,
        size=33,
        seed=9,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [p.name for p in paths] == ["truntum_0000.png", "truntum_0001.png", "lereng_0000.png", "lereng_0001.png"]
    for path in paths:
        with Image.open(path) as image:
            assert image.size == (33, 33)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    record = json.loads((tmp_path / "set" / "SYNTHETIC.json").read_text())
    assert record == {
        "schema_version": 1,
        "seed": 9,
        "size": 33,
        "per_class": 2,
        "variety": 1.0,
        "motifs": ["truntum", "lereng"],
        "batikkit": batikkit.__version__,
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"motifs": ["kawung", "paisley"]}, "unknown motif 'paisley'.*kawung.*lereng"),
        ({"motifs": []}, "no motif"),
        ({"motifs": ["kawung", "kawung"]}, "more than once: kawung"),
        ({"per_class": 0}, "at least 1: got 0"),
        ({"size": 31}, "32 to 2048 pixels: got 31"),
        ({"size": 2049}, "32 to 2048 pixels: got 2049"),
        ({"seed": -1}, "got -1"),
        ({"variety": 1.5}, "0 to 1: got 1.5"),
        ({"variety": float("nan")}, "0 to 1: got nan"),
    ],
)
def test_wrong_settings_are_refused_and_write_nothing(tmp_path: Path, change: dict[str, object], message: str) -> None:
    settings: dict[str, object] = {"motifs": ["kawung"], "per_class": 1, "size": 32, "seed": 0, **change}
    with pytest.raises(InputError, match=message):
        write_synthetic_set(tmp_path / "set", **settings)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not empty"):
        write_synthetic_set(tmp_path, motifs=["kawung"], per_class=1, size=32, seed=0)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_synthetic_set(tmp_path / "set", motifs=["kawung"], per_class=4, size=32, seed=0, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_contact_sheet_lays_tiles_out_in_rows() -> None:
    red = np.zeros((10, 20, 3), np.uint8)
    red[..., 0] = 255
    sheet = contact_sheet([red] * 5, columns=2, labels=["a", "", "a very long label that must be cut", "d", "e"])
    assert sheet.size == (2 * 24 + 4, 3 * (14 + 16) + 4)
    assert sheet.getpixel((14, 9)) == (255, 0, 0)
    assert sheet.getpixel((28 + 10, 4 + 60 + 5)) != (255, 0, 0)  # the sixth place stays empty


@pytest.mark.parametrize(("count", "columns", "labels"), [(0, 2, None), (1, 0, None), (2, 2, ["one"])])
def test_contact_sheet_refuses_what_it_cannot_lay_out(count: int, columns: int, labels: list[str] | None) -> None:
    with pytest.raises(InputError):
        contact_sheet([np.zeros((4, 4, 3), np.uint8)] * count, columns=columns, labels=labels)


def test_the_sheet_of_the_documentation_is_drawn_by_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = motif_sheet(per_motif=1, size=32)
    assert small.height == len(MOTIFS) * (32 + 4 + 16) + 4
    monkeypatch.setattr("batikkit.data.synth.__main__.motif_sheet", lambda: small)
    assert main([str(tmp_path / "sheet.png")]) == 0
    with Image.open(tmp_path / "sheet.png") as written:
        assert written.size == small.size
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_the_documentation_says_what_the_code_says() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "motifs.md").read_text(encoding="utf-8")
    for motif in MOTIFS.values():
        assert f"| **{motif.name}** | {motif.description} | {motif.geometry} | {motif.source} |" in page
