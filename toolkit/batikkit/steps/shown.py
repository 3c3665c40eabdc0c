"""Results that show themselves: as text where they are printed, as tables and pictures in a notebook."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from batikkit import atomic
from batikkit.web_page import Html, html_table

_WIDTH = 150
"""Of a printed table, in characters: more than a terminal's, since tables are copied into mails and papers."""
_HEAD_BYTES = 500
_OWN_LOOK = "svg{background:var(--paper);min-width:0}"
"""A picture that stands alone has its own paper, since a notebook's may be dark."""


@dataclass(frozen=True)
class Table:
    """Cells with headings, and what is to be said below them."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=SIMPLE_HEAD, pad_edge=False, title=Text(self.title), title_justify="left")
        for number, heading in enumerate(self.headings):
            table.add_column(Text(heading), justify="left" if number == 0 else "right")
        for row in self.rows:
            table.add_row(*map(Text, row))
        page = io.StringIO()
        console = Console(file=page, width=_WIDTH, force_terminal=False, force_jupyter=False, color_system=None)
        console.print(table)
        for note in self.notes:
            console.print(Text(note), soft_wrap=True)
        return "\n".join(line.rstrip() for line in page.getvalue().strip().splitlines())

    def html(self) -> Html:
        """The same for a page."""
        told = Html("").join(Html("<div>{}</div>").format(note) for note in self.notes)
        return Html('<div style="margin-top:1em"><b>{}</b></div>{}{}').format(
            self.title, html_table(self.headings, self.rows), told
        )


@dataclass(frozen=True)
class Picture:
    """A drawing: its name, which ends in its kind (`.svg` or `.png`), and its bytes."""

    name: str
    content: bytes

    @classmethod
    def of_svg(cls, name: str, drawing: str) -> Picture:
        """A chart of batikkit's pages, with the style that there belongs to the page."""
        css = (resources.files("batikkit") / "page.css").read_text(encoding="utf-8") + _OWN_LOOK
        start = drawing.index("<svg")
        head = '<svg xmlns="http://www.w3.org/2000/svg"' if "xmlns=" not in drawing else "<svg"
        opened, rest = drawing[start + len("<svg") :].split(">", 1)
        return cls(name, f"{head}{opened}><style>{css}</style>{rest}".encode())

    def html(self) -> Html:
        """The picture as part of a page, which nothing of the page's own style touches."""
        kind = "image/svg+xml" if self.name.endswith(".svg") else "image/png"
        content = base64.b64encode(self.content).decode()
        drawn_for = re.search(rb'viewBox="0 0 ([\d.]+)', self.content[:_HEAD_BYTES])
        look = f"width:100%;max-width:{drawn_for[1].decode()}px;display:block" if drawn_for else "max-width:100%"
        return Html('<img alt="{}" style="{}" src="data:{};base64,{}">').format(self.name, look, kind, content)


@dataclass(frozen=True)
class Pictures:
    """Drawings that a notebook shows one below the other, and `save` writes."""

    drawings: tuple[Picture, ...]

    def __repr__(self) -> str:
        names = ", ".join(drawing.name for drawing in self.drawings) or "none"
        return f"pictures: {names} (a notebook shows them; save(FOLDER) writes them)"

    def _repr_html_(self) -> str:
        return Html("\n").join(drawing.html() for drawing in self.drawings)

    def save(self, folder: str | Path) -> tuple[Path, ...]:
        """Writes them into `folder`, which is made; returns their paths.

        Raises:
            InputError: the folder cannot be written.
        """
        for drawing in self.drawings:
            atomic.write_bytes(Path(folder, drawing.name), drawing.content)
        return tuple(Path(folder, drawing.name) for drawing in self.drawings)


class Shown:
    """Prints itself as tables, and shows them in a notebook."""

    def tables(self) -> Sequence[Table]:
        """What it has to tell."""
        raise NotImplementedError

    def plot(self) -> Pictures:
        """Its drawings."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return "\n\n".join(map(str, self.tables()))

    def _repr_html_(self) -> str:
        return Html("\n").join(table.html() for table in self.tables())
