"""Write a labelled set of synthetic batik pictures, and the sheet that shows the motifs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import batikkit
from batikkit import atomic
from batikkit.data.contact_sheet import contact_sheet
from batikkit.data.synth.drawing import check_size, check_variety, draw_motif, find_motif
from batikkit.data.synth.motifs import MOTIFS
from batikkit.errors import InputError

SCHEMA_VERSION = 1
SYNTHETIC_JSON = "SYNTHETIC.json"


def picture(motif: str, index: int, *, size: int, seed: int, variety: float = 1.0) -> NDArray[np.uint8]:
    """Draw picture number `index` of a motif: the same whichever other motifs or pictures are drawn.

    Returns:
        uint8 [size, size, 3], RGB.

    Raises:
        InputError: The motif is unknown, or the size or variety out of range.
    """
    word = int.from_bytes(hashlib.sha256(motif.encode()).digest()[:8], "little")
    rng = np.random.default_rng(np.random.SeedSequence([seed, word, index]))
    return draw_motif(motif, size=size, rng=rng, variety=variety)


def write_synthetic_set(
    out: Path,
    *,
    motifs: Sequence[str],
    per_class: int,
    size: int,
    seed: int,
    variety: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write `out/<motif>/<motif>_0000.png` and so on, and `out/SYNTHETIC.json` saying how they were made.

    The folder appears whole or not at all. The bytes depend on seed, motif, number, size and variety only (and on
    the versions of NumPy and Pillow), not on the other motifs or on their order.

    Args:
        out: Folder to make; it must not exist or be empty.
        motifs: Keys of `MOTIFS`, each once.
        per_class: Pictures per motif, at least 1.
        size: Side in pixels, 32..2048.
        seed: Not negative.
        variety: 0..1, how far turn and scale vary.
        progress: Called with (pictures done, pictures in all) after each picture.

    Returns:
        The pictures' paths, in the order written.

    Raises:
        InputError: An argument is out of range, or `out` is in use.
    """
    _check(motifs, per_class, size, seed, variety)
    total = len(motifs) * per_class
    with atomic.new_folder(out) as folder:
        names = [Path(m) / f"{m}_{index:04d}.png" for m in motifs for index in range(per_class)]
        for done, name in enumerate(names):
            (folder / name).parent.mkdir(exist_ok=True)
            pixels = picture(name.parent.name, done % per_class, size=size, seed=seed, variety=variety)
            # Fixed rather than default: the default level belongs to the Pillow version.
            Image.fromarray(pixels).save(folder / name, compress_level=4)
            if progress is not None:
                progress(done + 1, total)
        record = {
            "schema_version": SCHEMA_VERSION,
            "seed": seed,
            "size": size,
            "per_class": per_class,
            "variety": variety,
            "motifs": list(motifs),
            "batikkit": batikkit.__version__,
        }
        atomic.write_json(folder / SYNTHETIC_JSON, record)
    return [out / name for name in names]


def _check(motifs: Sequence[str], per_class: int, size: int, seed: int, variety: float) -> None:
    """Refuse what cannot be drawn before anything is written."""
    if not motifs:
        raise InputError(f"no motif to draw: choose from {', '.join(MOTIFS)}")
    for motif in motifs:
        find_motif(motif)
    repeated = sorted({m for m in motifs if list(motifs).count(m) > 1})
    if repeated:
        raise InputError(f"motif given more than once: {', '.join(repeated)}: name each motif once")
    if per_class < 1:
        raise InputError(f"images per motif must be at least 1: got {per_class}")
    if seed < 0:
        raise InputError(f"seed must not be negative: got {seed}")
    check_size(size)
    check_variety(variety)


def motif_sheet(*, per_motif: int = 6, size: int = 160, seed: int = 1) -> Image.Image:
    """Every motif on one sheet, a row each."""
    names = [motif for motif in MOTIFS for _ in range(per_motif)]
    images = [picture(name, k % per_motif, size=size, seed=seed) for k, name in enumerate(names)]
    labels = [name if k % per_motif == 0 else "" for k, name in enumerate(names)]
    return contact_sheet(images, columns=per_motif, labels=labels)
