from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batikkit.data.photographs import decoded_ahead, find_photographs
from batikkit.errors import InputError
from batikkit.paired import drop_resolution
from batikkit.parity_pack import iter_images, read_parity_pack, write_parity_pack
from batikkit_benchmarks.bench import run_bench
from batikkit_benchmarks.parity import evaluate
from batikkit_benchmarks.plan import Settings
from batikkit_benchmarks.targets import select

LABELS = ("kawung", "parang")


def test_the_comparison_counts_pairwise() -> None:
    truth = np.array([0, 0, 1, 1])
    reference = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], np.float32)
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.45, 0.55]], np.float32)
    found = evaluate(
        scores, truth, labels=LABELS, images=list("abcd"), source="s", reference=reference, reference_name="keras"
    )
    assert (found.n, found.top1, found.reference_top1, found.drop_pp) == (4, 0.75, 0.75, 0.0)
    assert found.agreement == 0.5
    assert found.max_abs_diff == pytest.approx(0.4)
    assert found.mcnemar_p == 1.0
    assert [(flip.image, flip.truth, flip.reference, flip.answer) for flip in found.flipped] == [
        ("b", "kawung", "kawung", "parang"),
        ("d", "parang", "kawung", "parang"),
    ]
    assert found.per_motif["kawung"].drop_pp == 50.0
    assert found.per_motif["parang"].drop_pp == -50.0
    assert found.drop_ci95_pp is not None
    assert found.drop_ci95_pp[0] < 0 < found.drop_ci95_pp[1]


def test_groups_reach_interval_test_and_motifs() -> None:
    truth, images = np.repeat([0, 1], 20), [f"{i}.png" for i in range(40)]
    reference, scores = (np.eye(2, dtype=np.float32)[truth] for _ in range(2))
    scores[:8] = scores[:8, ::-1]
    groups = [f"cloth {i // 4}" for i in range(40)]
    alone, together = (
        evaluate(
            scores,
            truth,
            labels=LABELS,
            images=images,
            source="s",
            groups=g,
            reference=reference,
            reference_name="keras",
        )
        for g in (None, groups)
    )
    assert (alone.groups, together.groups) == (None, 10)
    assert together.top1_ci95[0] < alone.top1_ci95[0]
    for key in ("drop_ci95_pp", "mcnemar_p", "resolution_pp"):
        wider, narrower = (np.ravel(getattr(parity, key))[-1] for parity in (together, alone))
        assert wider > narrower, key
    assert (together.per_motif["kawung"].independent, alone.per_motif["kawung"].independent) == (5, 20)


def test_without_a_reference_only_accuracy_is_told() -> None:
    scores = np.array([[0.9, 0.1], [0.4, 0.6]], np.float32)
    found = evaluate(scores, np.array([0, 0]), labels=LABELS, images=["a", "b"], source="s")
    assert (found.top1, found.drop_pp, found.agreement, found.flipped) == (0.5, None, None, ())
    assert list(found.per_motif) == ["kawung"]


@pytest.fixture
def photographs(shared_export: Path, tmp_path: Path) -> Path:
    """The parity pack's images as PNG files, one of them unreadable."""
    root = tmp_path / "photographs"
    pack = read_parity_pack(shared_export / "parity.npz")
    for name, pixels in zip(pack.names, iter_images(pack), strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / name)
    (root / "across" / "broken.png").write_bytes(b"not a picture")
    return root


def test_photographs_give_the_same_accuracy_as_the_pack_made_of_them(shared_export: Path, photographs: Path) -> None:
    files = [shared_export / "float32.tflite", shared_export / "int8.tflite"]
    quick = Settings(min_runs=20, min_seconds=0.1)
    *_, packed = run_bench(select(files, runs_dir=Path("runs")), quick)
    on_data = Settings(min_runs=20, min_seconds=0.1, data=str(photographs))
    *_, decoded = run_bench(select(files, runs_dir=Path("runs")), on_data)
    for before, after in zip(packed.results, decoded.results, strict=True):
        assert before.parity is not None
        assert after.parity is not None
        assert (after.parity.n, after.parity.top1) == (before.parity.n, before.parity.top1)
        assert after.pixels == "photographs"
        assert "1 unreadable photograph(s) left out" in after.notes
        assert after.parity.images_per_s
    int8 = decoded.results[1].parity
    assert int8 is not None
    assert int8.reference == "float32"
    assert int8.drop_pp == pytest.approx(packed.results[1].parity.drop_pp)  # type: ignore[union-attr]


def test_the_reference_is_the_float32_of_the_same_folder(
    shared_export: Path, photographs: Path, tmp_path: Path
) -> None:
    """Two models: in B every answer is another (labels turned). Whatever is measured first, none judges the other's."""
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        for name in ("int8.tflite", "labels.txt"):
            shutil.copy(shared_export / name, folder / name)
    shutil.copy(shared_export / "float32.tflite", first / "float32.tflite")
    (second / "labels.txt").write_text("diagonal\nupright\nacross\n")
    files = [first / "float32.tflite", first / "int8.tflite", second / "int8.tflite"]
    for seed in range(3):
        on_data = Settings(min_runs=10, min_seconds=0, data=str(photographs), seed=seed)
        *_, report = run_bench(select(files, runs_dir=Path("runs")), on_data)
        own, same, other = (result.parity for result in report.results)
        assert own is not None
        assert same is not None
        assert other is not None
        assert (own.reference, own.drop_pp, same.reference) == ("float32", 0.0, "float32")
        assert abs(same.drop_pp or 0) < 10
        assert (other.reference, other.drop_pp, other.agreement) == (None, None, None)


def test_what_the_pack_says_reaches_the_report(shared_export: Path, tmp_path: Path) -> None:
    """Groups of three and a caution, written into the pack beside a real file, and the same pack without groups."""
    shutil.copytree(shared_export, tmp_path / "export")
    pack = read_parity_pack(shared_export / "parity.npz")
    write_parity_pack(
        tmp_path / "export" / "parity.npz",
        iter_images(pack),
        labels=pack.labels,
        probabilities=pack.probabilities,
        names=pack.names,
        groups=[f"cloth {index // 3}" for index in range(len(pack.names))],
        image_size=pack.image_shape[0],
        caution="test cloths were seen in training",
    )
    *_, report = run_bench(
        select([tmp_path / "export" / "int8.tflite"], runs_dir=Path("runs")), Settings(min_runs=10, min_seconds=0.1)
    )
    parity = report.results[0].parity
    assert parity is not None
    assert (parity.n, parity.groups, parity.cautions) == (90, 30, ("test cloths were seen in training",))
    assert parity.resolution_pp == drop_resolution(90, np.arange(90) // 3)


def test_decoding_keeps_the_order_and_skips_nothing(photographs: Path) -> None:
    found = find_photographs(photographs, ("across", "diagonal", "upright"))
    values = list(decoded_ahead(found.files, image_size=96, prepare=lambda pixels: pixels, decoders=3))
    assert len(values) == len(found.names) == 91
    assert [i for i, value in enumerate(values) if value is None] == [found.names.index("across/broken.png")]
    expected = np.asarray(Image.open(photographs / found.names[40]))
    np.testing.assert_array_equal(values[40], expected)


def test_decoding_runs_in_parallel_and_while_the_network_works(photographs: Path) -> None:
    found = find_photographs(photographs, ("across", "diagonal", "upright")).files
    files = [file for file in found if not file.endswith("broken.png")][:40]
    both, prepared = threading.Barrier(2), threading.Semaphore(0)

    def prepare(pixels: object) -> object:
        both.wait(timeout=60)  # breaks unless the other decoder is at work too
        prepared.release()
        return pixels

    for index, value in enumerate(decoded_ahead(files, image_size=96, prepare=prepare, decoders=2), start=1):
        assert value is not None
        # While the network holds this photograph nobody asks for the next: it must come of itself.
        wanted = 2 if index == 1 else 1 if index < len(files) else 0
        assert all(prepared.acquire(timeout=60) for _ in range(wanted))


def test_decoding_is_free_though_the_network_is_pinned(photographs: Path) -> None:
    everywhere = sorted(os.sched_getaffinity(0))
    files = find_photographs(photographs, ("across", "diagonal", "upright")).files[:6]
    seen: list[tuple[int, list[int]]] = []

    def note_cpus(pixels: object) -> object:
        seen.append((threading.get_ident(), sorted(os.sched_getaffinity(0))))
        return pixels

    os.sched_setaffinity(0, everywhere[:1])
    try:
        list(decoded_ahead(files, image_size=96, prepare=note_cpus, decoders=2, cpus=everywhere))
        assert sorted(os.sched_getaffinity(0)) == everywhere[:1]
    finally:
        os.sched_setaffinity(0, everywhere)
    assert seen
    assert all(thread != threading.get_ident() and cpus == everywhere for thread, cpus in seen)


def test_unknown_motif_folders_are_refused(photographs: Path) -> None:
    with pytest.raises(InputError, match="folder 'diagonal', which is no motif of this model"):
        find_photographs(photographs, ("across", "upright"))
    with pytest.raises(InputError, match="no images in subfolders"):
        find_photographs(photographs / "across", ("across",))
