"""`batikkit bench --table`, and what `batikkit fit` takes from such a table."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batikkit_benchmarks.targets import Selection


def refuse_with_table(options: Mapping[str, object]) -> None:
    """Refuses what a table cannot take.

    Raises:
        InputError: one of these was given.
    """
    from batikkit.errors import InputError

    for name, value in options.items():
        if value:
            raise InputError(f"{name} with --table: that measures untrained networks alone; leave one of them out")


@contextlib.contextmanager
def table_of(pack: Path) -> Iterator[Selection]:
    """All files of a pack, at every image size, as something to bench while the block lasts."""
    from tempfile import TemporaryDirectory

    from batikkit.fit.pack import read_pack
    from batikkit_benchmarks.table import table_selection

    networks = read_pack(pack)
    with TemporaryDirectory(prefix="batikkit-") as folder:
        yield table_selection(networks, Path(folder), source=str(pack))
