"""The perceptual hash is imagehash's, bit for bit, in all 8 orientations at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batikkit.data import fingerprint as module
from batikkit.data.fingerprint import INVERSE, fingerprint, hamming, oriented, perceptual_hashes
from batikkit.data.synth import MOTIFS
from batikkit.data.synth.writing import picture
from batikkit.images import load_rgb


def as_imagehash(value: np.uint64) -> str:
    return format(int(value), "016x")


@pytest.mark.parametrize("motif", list(MOTIFS))
def test_the_hash_equals_imagehash_in_every_orientation(motif: str) -> None:
    imagehash = pytest.importorskip("imagehash")
    image = Image.fromarray(picture(motif, 0, size=160, seed=3)).convert("L")
    hashes = perceptual_hashes(image)
    assert as_imagehash(hashes[0]) == str(imagehash.phash(image))
    small = np.asarray(image.resize((32, 32), Image.Resampling.LANCZOS))
    for orientation in range(8):
        turned = Image.fromarray(np.ascontiguousarray(oriented(small, orientation)))
        assert as_imagehash(hashes[orientation]) == str(imagehash.phash(turned)), orientation


def test_the_hash_equals_imagehash_on_photographs(batik10: Path) -> None:
    imagehash = pytest.importorskip("imagehash")
    for path in sorted(batik10.rglob("*.jpg"))[::13]:
        image = load_rgb(path)
        assert as_imagehash(perceptual_hashes(image.convert("L"))[0]) == str(imagehash.phash(image)), path


def test_orientations_are_the_8_symmetries_of_the_square_and_inverse_undoes_them() -> None:
    square = np.arange(9, dtype=np.uint8).reshape(3, 3)
    views = {oriented(square, orientation).tobytes() for orientation in range(8)}
    assert len(views) == 8
    assert np.rot90(square).tobytes() in views
    for orientation in range(8):
        assert (oriented(oriented(square, orientation), int(INVERSE[orientation])) == square).all()


def test_hamming_counts_bits_with_and_without_numpy_2(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 2**64, (2, 50), dtype=np.uint64)
    wanted = [bin(int(a) ^ int(b)).count("1") for a, b in zip(left, right, strict=True)]
    assert hamming(left, right).tolist() == wanted
    if hasattr(np, "bitwise_count"):
        monkeypatch.delattr(module.np, "bitwise_count")
        assert hamming(left, right).tolist() == wanted


def test_twenty_thousand_fingerprints_fit_in_memory_and_a_flat_picture_has_no_contrast() -> None:
    flat = fingerprint(Image.new("RGB", (200, 100), (10, 200, 30)))
    assert flat.contrast == 0
    assert flat.tone.nbytes + flat.colour.nbytes + flat.hashes.nbytes < 20_000
    assert flat.colour.reshape(-1, 3).tolist() == [[10, 200, 30]] * 256
