"""Which copies are found: batikkit against the perceptual hash alone, on edited photographs.

Every N-th photograph of a folder is edited in one way and looked for among all the originals. Reported per edit: the
share of edited photographs grouped with their original (recall), for batikkit and for the usual recipe (pHash of the
`imagehash` package, at most 8 differing bits; also in all 8 orientations), and how many wrong pairs each makes.

    python benchmarks/peers/copies.py DIR --every 5
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance

from batikkit.data.candidates import find_candidates
from batikkit.data.duplicates import find_copies
from batikkit.data.fingerprint import Fingerprint, fingerprint, hamming
from batikkit.data.tree import image_files
from batikkit.images import load_rgb

HASH_LIMIT = 8


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop(
        (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
    )


def resaved(image: Image.Image, side: int, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.resize((side, side)).save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


def signed(image: Image.Image) -> Image.Image:
    marked = image.copy()
    width, height = marked.size
    ImageDraw.Draw(marked).rectangle((0.05 * width, 0.88 * height, 0.5 * width, 0.96 * height), fill=(240, 240, 240))
    return marked


def turned(image: Image.Image, degrees: float) -> Image.Image:
    return cropped(image.rotate(degrees, Image.Resampling.BICUBIC), 0.05, 0.05, 0.05, 0.05)


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "turned by 90 degrees": lambda i: i.transpose(Image.Transpose.ROTATE_90),
    "mirrored": lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "128 px, JPEG quality 30": lambda i: resaved(i, 128, 30),
    "brightness +15 %": lambda i: ImageEnhance.Brightness(i).enhance(1.15),
    "contrast -30 %": lambda i: ImageEnhance.Contrast(i).enhance(0.7),
    "a label on it": signed,
    "cropped by 2 % all round": lambda i: cropped(i, 0.02, 0.02, 0.02, 0.02),
    "cropped by 5 % all round": lambda i: cropped(i, 0.05, 0.05, 0.05, 0.05),
    "cropped by 10 % on one side": lambda i: cropped(i, 0.1, 0, 0, 0),
    "cropped by 20 % on one side": lambda i: cropped(i, 0, 0, 0, 0.2),
    "cropped by 10 % all round": lambda i: cropped(i, 0.1, 0.1, 0.1, 0.1),
    "turned by 3 degrees, cropped": lambda i: turned(i, 3),
    "turned by 90, cropped 5 %, quality 50": lambda i: resaved(
        cropped(i.transpose(Image.Transpose.ROTATE_90), 0.05, 0, 0, 0.05), 256, 50
    ),
    "one quarter of it": lambda i: cropped(i, 0, 0, 0.5, 0.5),
}


def by_hash(prints: list[Fingerprint], originals: int, *, orientations: int) -> NDArray[np.bool_]:
    """bool [edited, originals]: pHash alone calls them the same."""
    hashes = np.stack([look.hashes for look in prints])
    bits = hamming(hashes[originals:, None, :orientations], hashes[None, :originals, :1])
    return np.asarray(bits.min(axis=2) <= HASH_LIMIT)


def by_batikkit(prints: list[Fingerprint], originals: int) -> NDArray[np.bool_]:
    groups = find_copies(prints, [str(number) for number in range(len(prints))])
    return np.asarray(groups[originals:, None] == groups[None, :originals])


def score(same: NDArray[np.bool_], source: list[int], before: NDArray[np.bool_]) -> str:
    """Recall, and wrong pairs that the originals alone did not have."""
    edited = np.arange(len(source))
    right = same[edited, source]
    wrong = same & ~before[source]
    wrong[edited, source] = False
    return f"{right.mean():.0%} | {int(wrong.sum())}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--stages", action="store_true", help="also say which share the hash search brings up at all")
    options = parser.parse_args()
    images = [load_rgb(options.folder / path) for path in image_files(options.folder)]
    looks = [fingerprint(image) for image in images]
    source = list(range(0, len(images), options.every))
    alone = find_copies(looks, [str(number) for number in range(len(looks))])
    before = alone[:, None] == alone[None, :]  # copies among the originals are not errors
    print(f"{len(source)} of {len(images)} photographs edited")
    print("| edit | batikkit finds | wrong pairs | pHash 8 ways | wrong pairs | pHash | wrong pairs |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, edit in EDITS.items():
        prints = [*looks, *(fingerprint(edit(images[index])) for index in source)]
        ways = [by_batikkit(prints, len(looks))]
        ways += [by_hash(prints, len(looks), orientations=count) for count in (8, 1)]
        print(f"| {name} | " + " | ".join(score(same, source, before) for same in ways) + " |", flush=True)
        if options.stages:
            found = find_candidates(prints)
            pairs = set(zip(found.inner.tolist(), found.outer.tolist(), strict=True))
            count = len(looks)
            brought = [(i, count + k) in pairs or (count + k, i) in pairs for k, i in enumerate(source)]
            print(f"  candidates: {np.mean(brought):.0%}")


if __name__ == "__main__":
    main()
