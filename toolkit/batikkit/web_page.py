"""The frame of every self-contained HTML page: one style, light and dark, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources


def web_page(title: str, body: Iterable[str]) -> str:
    """A whole page.

    Args:
        title: Shown by the browser, plain text.
        body: Parts that are already HTML.
    """
    css = (resources.files("batikkit") / "page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{css}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def html_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, text: bool = False) -> str:
    """A table whose cells are already HTML; headings are plain text. `text` sets it ragged right."""
    kind = ' class="text"' if text else ""
    head = "".join(f"<th{kind}>{escape(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td{kind}>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; cells are plain text."""
    body = [_line(cells) for cells in rows]
    return [_line(headings), "|" + "---|" * len(headings), *body]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
