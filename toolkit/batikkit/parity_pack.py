"""`parity.npz`: test photographs as pixels, their labels and the Keras model's answers.

With it any device measures accuracy and parity on identical pixels, without TensorFlow and without the opinion of
another JPEG decoder. Images are read one at a time, so that a large pack fits a small board.
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
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ParityPack:
    """Everything of a parity pack except the pixels, which `iter_images` streams.

    Attributes:
        path: The `.npz` file.
        image_shape: (H, W, 3) of each image.
        labels: int64 [N], index into labels.txt.
        probabilities: float32 [N, C], the Keras model's output for each image.
        names: The N file names, relative to the data set.
    """

    path: Path
    image_shape: tuple[int, int, int]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    names: tuple[str, ...]


def write_parity_pack(
    path: Path,
    images: Iterable[NDArray[np.uint8]],
    *,
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    names: Sequence[str],
    image_size: int,
) -> None:
    """Writes the pack, streaming `images` (uint8 [image_size, image_size, 3] each, as many as `labels`)."""
    count = len(labels)
    if not count == len(probabilities) == len(names):
        raise ValueError(f"unlike lengths: {count} labels, {len(probabilities)} probabilities, {len(names)} names")
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
            "schema_version": np.int64(SCHEMA_VERSION),
        }
        for name, value in small.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.asanyarray(value), allow_pickle=False)


def read_parity_pack(path: Path) -> ParityPack:
    """Reads all but the pixels.

    Raises:
        InputError: missing, damaged, or its arrays do not belong together.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            shape, dtype, member = _images_header(archive)
            member.close()
        with np.load(path, allow_pickle=False) as arrays:
            pack = ParityPack(
                path=path,
                image_shape=(shape[1], shape[2], shape[3]),
                labels=arrays["labels"].astype(np.int64),
                probabilities=arrays["probabilities"].astype(np.float32),
                names=tuple(str(name) for name in arrays["names"]),
            )
    except FileNotFoundError as error:
        raise InputError(f"no parity pack at {path}: export again, or bench with --data DIR") from error
    except (OSError, KeyError, IndexError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"parity pack {path} is damaged ({error}); export again") from error
    count = len(pack.labels)
    if shape[0] != count or len(pack.names) != count or pack.probabilities.shape[:1] != (count,) or dtype != np.uint8:
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
