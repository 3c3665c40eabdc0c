"""`parity.npz`: test photographs as pixels, their labels and groups, and the Keras model's answers.

With it any device measures accuracy and parity on identical pixels, without TensorFlow and without the opinion of
another JPEG decoder. Images are read one at a time, so that a large pack fits a small board.

Schema history:
    1  first version
    2  `groups` and `caution`
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit import atomic
from batikkit.errors import InputError

PARITY_FILE = "parity.npz"
SCHEMA_VERSION = 2

UNGROUPED = "the parity pack is of an older batikkit and names no groups: every image counts on its own; export again"


@dataclass(frozen=True)
class ParityPack:
    """Everything of a parity pack except the pixels, which `iter_images` streams.

    Attributes:
        path: The `.npz` file.
        image_shape: (H, W, 3) of each image.
        labels: int64 [N], index into labels.txt.
        probabilities: float32 [N, C], the Keras model's output for each image.
        names: The N file names, relative to the data set.
        groups: N names; images of one group depend on each other. Of a pack of version 1 each image is its own.
        grouped: Whether the pack says so itself.
        caution: What whoever reads its figures must know, such as that test cloths were seen in training; else empty.
    """

    path: Path
    image_shape: tuple[int, int, int]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    grouped: bool
    caution: str = ""

    @property
    def cautions(self) -> tuple[str, ...]:
        """What must be known of figures from this pack, one line each."""
        return tuple(line for line in (self.caution, "" if self.grouped else UNGROUPED) if line)


def write_parity_pack(
    path: Path,
    images: Iterable[NDArray[np.uint8]],
    *,
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    names: Sequence[str],
    groups: Sequence[str],
    image_size: int,
    caution: str = "",
) -> None:
    """Writes the pack, streaming `images` (uint8 [image_size, image_size, 3] each, as many as `labels`)."""
    count, others = len(labels), {"probabilities": probabilities, "names": names, "groups": groups}
    if any(len(other) != count for other in others.values()):
        raise ValueError(f"unlike lengths: {count} labels, {', '.join(f'{len(o)} {n}' for n, o in others.items())}")
    with atomic.replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        with archive.open("images.npy", "w", force_zip64=True) as member:
            shape = (count, image_size, image_size, 3)
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, header)
            written = 0
            for image in images:
                if image.shape != shape[1:] or image.dtype != np.uint8:
                    raise ValueError(f"image {written} is {image.dtype} {image.shape}, expected uint8 {shape[1:]}")
                member.write(np.ascontiguousarray(image).tobytes())
                written += 1
        if written != count:
            raise ValueError(f"{written} images for {count} labels")
        small = {
            "labels": np.asarray(labels, np.int64),
            "probabilities": np.asarray(probabilities, np.float32),
            "names": np.asarray(list(names), dtype=np.str_),
            "groups": np.asarray(list(groups), dtype=np.str_),
            "caution": np.str_(caution),
            "schema_version": np.int64(SCHEMA_VERSION),
        }
        for name, value in small.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.asanyarray(value), allow_pickle=False)


def read_parity_pack(path: Path) -> ParityPack:
    """Reads all but the pixels.

    Raises:
        InputError: missing, damaged, of a newer version, or its arrays do not belong together.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            shape, dtype, member = _images_header(archive)
            member.close()
        with np.load(path, allow_pickle=False) as arrays:
            version = int(arrays["schema_version"])
            if not 1 <= version <= SCHEMA_VERSION:
                raise InputError(
                    f"parity pack {path} is of version {version}: this batikkit reads 1 to {SCHEMA_VERSION}"
                )
            names = tuple(str(name) for name in arrays["names"])
            pack = ParityPack(
                path=path,
                image_shape=(shape[1], shape[2], shape[3]),
                labels=arrays["labels"].astype(np.int64),
                probabilities=arrays["probabilities"].astype(np.float32),
                names=names,
                groups=tuple(str(name) for name in arrays["groups"]) if version > 1 else names,
                grouped=version > 1,
                caution=str(arrays["caution"]) if version > 1 else "",
            )
    except FileNotFoundError as error:
        raise InputError(f"no parity pack at {path}: export again, or bench with --data DIR") from error
    except (OSError, KeyError, IndexError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"parity pack {path} is damaged ({error}); export again") from error
    count = len(pack.labels)
    lengths = {shape[0], len(pack.names), len(pack.groups), len(pack.probabilities)}
    if lengths != {count} or pack.probabilities.ndim != 2 or dtype != np.uint8:
        raise InputError(f"parity pack {path} is inconsistent: {shape[0]} images, {count} labels; export again")
    return pack


def iter_images(pack: ParityPack) -> Iterator[NDArray[np.uint8]]:
    """Yields the pack's images in order, uint8 [H, W, 3], reading one at a time.

    Raises:
        InputError: the file changed or is truncated.
    """
    bytes_per_image = int(np.prod(pack.image_shape))
    try:
        with zipfile.ZipFile(pack.path) as archive:
            member = _images_header(archive)[2]
            for _ in range(len(pack.labels)):
                chunk = member.read(bytes_per_image)
                if len(chunk) != bytes_per_image:
                    raise InputError(f"parity pack {pack.path} is truncated; export again")
                yield np.frombuffer(chunk, np.uint8).reshape(pack.image_shape)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"parity pack {pack.path} is damaged ({error}); export again") from error


def _images_header(archive: zipfile.ZipFile) -> tuple[tuple[int, ...], np.dtype[np.generic], zipfile.ZipExtFile]:
    member = archive.open("images.npy")
    np.lib.format.read_magic(member)
    shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    if len(shape) != 4 or shape[3] != 3:
        raise ValueError(f"images have shape {shape}")
    return shape, dtype, member  # type: ignore[return-value]
