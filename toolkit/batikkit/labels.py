"""`labels.txt`: UTF-8, one label per line, line number = output index. Sorted once, at training, and never again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit import atomic
from batikkit.errors import InputError

LABELS_FILE = "labels.txt"
OTHER = "other"
"""Label of what is none of the motifs: other things, and batik of other motifs. Never named as a motif."""


def check_labels(labels: Sequence[str], *, source: str) -> tuple[str, ...]:
    """Returns `labels` as a tuple.

    Raises:
        InputError: fewer than two labels, an empty one, a repeated one or one holding a line break.
    """
    if len(labels) < 2:
        raise InputError(f"{source} has {len(labels)} label(s): a classifier needs at least two motifs")
    for label in labels:
        # A byte-order mark at the start of the file belongs to no label.
        if not label.strip() or "\n" in label or "\r" in label or label.startswith("\ufeff"):
            raise InputError(f"{source} has an empty or broken label {label!r}: give every motif a one-line name")
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        raise InputError(f"{source} names {repeated[0]!r} more than once: every motif needs its own line")
    return tuple(labels)


def encode_labels(labels: Sequence[str]) -> bytes:
    """The bytes of `labels.txt`: one label per line, UTF-8, a newline after the last."""
    return ("\n".join(labels) + "\n").encode("utf-8")


def labels_sha256(labels: Sequence[str]) -> str:
    """SHA-256 of the label file's bytes, in hex: the manifest's `labels_sha256`."""
    return hashlib.sha256(encode_labels(labels)).hexdigest()


def write_labels(path: Path, labels: Sequence[str]) -> None:
    """Writes the label file in the given order."""
    atomic.write_bytes(path, encode_labels(check_labels(labels, source=str(path))))


def read_labels(path: Path) -> tuple[str, ...]:
    """Reads a label file in its own order; Windows line ends and a byte-order mark are accepted.

    Raises:
        InputError: missing, not UTF-8, or not a usable list of labels.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read labels {path}: {error.strerror}; name the file with --labels") from error
    except UnicodeDecodeError as error:
        raise InputError(f"labels {path} are not UTF-8 (byte {error.start}): save the file as UTF-8") from error
    return check_labels(label_lines(text), source=str(path))


def label_lines(text: str) -> list[str]:
    """The lines of a label file. Only a line feed ends one: names may hold what `str.splitlines` takes for an end."""
    return [line.removesuffix("\r") for line in text.rstrip("\r\n").split("\n")]


def motif_count(labels: Sequence[str]) -> int:
    """How many of the labels, from the first, are motifs."""
    return len(labels) - (len(labels) > 0 and labels[-1] == OTHER)


def among_motifs(scores: NDArray[np.float32], labels: Sequence[str]) -> NDArray[np.float32]:
    """Which motif it would be, were it one of them: [..., motifs] of scores [..., C], each row summing to 1 again.

    What is known to show a motif is judged by these; whether it is taken for one at all is another question.
    """
    count = motif_count(labels)
    if count == len(labels):
        return scores
    kept = scores[..., :count]
    whole = kept.sum(axis=-1, keepdims=True)
    # A quantized answer can be "other" through and through, which says nothing of the motif.
    shares = np.where(whole > 0, kept / np.where(whole > 0, whole, 1), 1 / count)
    return np.asarray(shares, np.float32)
