"""The frame of every self-contained HTML page: one style, light and dark, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources


class Html(str):
    """Text that is HTML already; any other text is escaped where it comes into a page.

    Write it as a literal with `{}` where values go, and let `format` put them in: it escapes all that is not `Html`.
    """

    __slots__ = ()

    def format(self, *values: object, **named: object) -> Html:
        """The template with its values, escaped."""
        return Html(super().format(*map(as_html, values), **{name: as_html(value) for name, value in named.items()}))

    def join(self, parts: Iterable[str], /) -> Html:
        """The parts, escaped, with this between them."""
        return Html(super().join(map(as_html, parts)))


def as_html(value: object) -> Html:
    """A value as HTML: itself when it is that already, else its text, escaped."""
    return value if isinstance(value, Html) else Html(escape(str(value)))


def web_page(title: str, body: Iterable[str]) -> str:
    """A whole page.

    Args:
        title: Shown by the browser, plain text.
        body: Its parts; what is not `Html` is escaped.
    """
    css = (resources.files("batikkit") / "page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{css}</style>\n</head>\n<body>\n"
        + Html("\n").join(body)
        + "\n</body>\n</html>\n"
    )


def html_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, text: bool = False) -> Html:
    """A table; cells and headings that are not `Html` are escaped. `text` sets it ragged right."""
    kind = ' class="text"' if text else ""
    head = "".join(f"<th{kind}>{as_html(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td{kind}>{as_html(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return Html(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; cells are plain text."""
    body = [_line(cells) for cells in rows]
    return [_line(headings), "|" + "---|" * len(headings), *body]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
