"""The data check as one HTML page with thumbnails, so that a person can judge every group of copies."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit import atomic
from batikkit.data.check_report import CheckReport, ImageGroup
from batikkit.data.contact_sheet import contact_sheet
from batikkit.data.doubts import LabelCheck
from batikkit.data.findings import Finding
from batikkit.data.learning import Learning, told
from batikkit.errors import InputError
from batikkit.images import load_rgb

MAX_GROUPS = 300
MAX_PER_GROUP = 16
"""A page with thousands of pictures would not open; it says what it leaves out."""

THUMBNAIL_PX = 128
_LISTED = 200
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em}
body{color:#2b2019;background:#faf8f4}
table{border-collapse:collapse}td,th{padding:.25em .9em;border-bottom:1px solid #ddd3c6;text-align:right}
td:first-child,th:first-child,td:last-child,th:last-child{text-align:left}.error,.leak{color:#a4161a}.warning{color:#9c6500}.info{color:#52616b}
.groups{display:flex;flex-wrap:wrap;gap:14px}.group{border:1px solid #ddd3c6;border-radius:6px;padding:.6em .8em}
.group{background:#fff}h4{margin:0 0 .5em;font-size:13px}.strip{display:flex;flex-wrap:wrap;gap:8px}
figure{margin:0;width:132px;font-size:11px}
figure img{display:block;max-width:128px;max-height:128px}figcaption{overflow-wrap:anywhere}
.verdict{border-left:4px solid #7a4a21;padding:.2em 1em;background:#f1e9dd}summary{cursor:pointer}
"""


def check_page(root: Path, report: CheckReport) -> str:
    """The whole page. Pictures are read from `root`; one that has vanished meanwhile leaves its name only."""
    verdict = "".join(f"<p>{text(line)}</p>" for line in report.verdict)
    parts = [
        f"<h1>{text(root.name or str(root))}: data check</h1>",
        f"<p>{report.images} images in {len(report.classes)} classes; pixels: {_counts(report.modes)}</p>",
        *(f"<p>Understood: {text(line)}</p>" for line in report.understood),
        f"<div class=verdict>{verdict}</div>",
        "<h2>Classes</h2>",
        _class_table(report),
        "<h2>Findings</h2>",
        "".join(_finding(finding) for finding in report.findings) or "<p>Nothing odd.</p>",
        *_more(report.learning),
        *_doubts(root, report.doubted),
        *_groups(root, "Copies", "alike", report.groups),
        *_groups(root, "Photographs of one cloth", "one cloth", report.cloths),
    ]
    return page_of(f"{root.name}: data check", parts)


def page_of(title: str, parts: Iterable[str]) -> str:
    """A page without scripts or outside links."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        f"<title>{text(title)}</title><style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def write_page(path: Path, root: Path, report: CheckReport) -> None:
    """Writes the page."""
    atomic.write_text(path, check_page(root, report))


def write_sheets(folder: Path, root: Path, report: CheckReport) -> int:
    """Writes one contact sheet per group, `copies_0001.png` and `cloth_0001.png` and so on, into a new folder.

    Returns:
        The number of sheets; a group of which no file can be read any more has none.

    Raises:
        InputError: `folder` is in use.
    """
    written = 0
    with atomic.new_folder(folder) as new:
        named = [("copies", *entry) for entry in enumerate(report.groups, 1)]
        named += [("cloth", *entry) for entry in enumerate(report.cloths, 1)]
        for kind, number, group in named:
            pictures = [(path, _thumbnail(root, path)) for path in group.paths[:MAX_PER_GROUP]]
            shown = [(path, picture) for path, picture in pictures if picture is not None]
            if shown:
                labels = [Path(path).name for path, _ in shown]
                sheet = contact_sheet([picture for _, picture in shown], columns=4, labels=labels)
                sheet.save(new / f"{kind}_{number:04d}.png")
                written += 1
    return written


def _class_table(report: CheckReport) -> str:
    head = "".join(
        f"<th>{name}" for name in ("class", "images", "independent", "cloths", "shortest px", "median px", "formats")
    )
    rows = "".join(
        f"<tr><td>{text(c.label)}<td>{c.images}<td>{c.groups}<td>{c.cloths}<td>{c.shortest_px}<td>{c.median_px}"
        f"<td>{_counts(c.formats)}"
        for c in report.classes
    )
    return f"<table><tr>{head}{rows}</table>"


def _finding(finding: Finding) -> str:
    listed = "".join(f"<li>{text(path)}" for path in finding.paths[:_LISTED])
    more = f"<li>and {len(finding.paths) - _LISTED} more" if len(finding.paths) > _LISTED else ""
    line = f"<b class={finding.severity}>{finding.severity}</b> {text(finding.message)}. <i>{text(finding.advice)}</i>"
    return f"<details><summary>{line}</summary><ul>{listed}{more}</ul></details>" if listed else f"<p>{line}</p>"


def _more(learning: Learning | None) -> Iterable[str]:
    if learning is not None:
        lines = "".join(f"<li>{text(line)}" for line in told(learning))
        yield f"<h2>What more photographs would bring</h2><ul>{lines}</ul>"


def _doubts(root: Path, doubted: LabelCheck | None) -> Iterable[str]:
    if doubted is None:
        return
    yield f"<h2>Labels that the others contradict: {len(doubted.doubts)}</h2>"
    yield (
        f"<p>The others name the given motif of {doubted.read:.1%} of the photographs. Of wrong labels planted on "
        f"trial {doubted.planted_found:.0%} are found like this. Seen by {text(doubted.described)}.</p>"
        "<div class=groups>"
    )
    for number, one in enumerate(doubted.doubts[:MAX_GROUPS], 1):
        yield (
            f"<div class=group><h4>{number}. labelled {text(one.label)}, looks like {text(one.suggested)} "
            f"(ahead by {one.margin:.2f})</h4>{strip(root, [one.path])}<h4>most alike of {text(one.suggested)}</h4>"
            f"{strip(root, one.alike)}<h4>most alike of {text(one.label)}</h4>{strip(root, one.own)}</div>"
        )
    yield "</div>"


def _groups(root: Path, title: str, how: str, groups: Sequence[ImageGroup]) -> Iterable[str]:
    if not groups:
        return
    yield f"<h2>{title}: {len(groups)} groups</h2><div class=groups>"
    for number, group in enumerate(groups[:MAX_GROUPS], 1):
        yield _group(root, number, group, how)
    yield "</div>"
    if len(groups) > MAX_GROUPS:
        yield f"<p>{len(groups) - MAX_GROUPS} more groups (data check --sheets writes a sheet of each).</p>"


def _counts(counts: Mapping[str, int]) -> str:
    return text(", ".join(f"{name} {count}" for name, count in counts.items()))


def _group(root: Path, number: int, group: ImageGroup, how: str) -> str:
    how = "equal files" if group.exact else how
    where = f", in {' and '.join(group.splits)}" if group.splits else ""
    labels = " and ".join(text(label) for label in group.labels)
    wrong = " class=error" if len(group.labels) > 1 else ""
    more = f"<p>and {len(group.paths) - MAX_PER_GROUP} more</p>" if len(group.paths) > MAX_PER_GROUP else ""
    return (
        f"<div class=group><h4{wrong}>{number}. {labels}: {len(group.paths)} images, {how}{where}</h4>"
        f"{strip(root, group.paths[:MAX_PER_GROUP])}{more}</div>"
    )


def strip(root: Path, paths: Iterable[str]) -> str:
    """Thumbnails beside each other, with their names."""
    figures = []
    for path in paths:
        picture = _thumbnail(root, path)
        image = f'<img alt="" src="{_data_uri(picture)}">' if picture is not None else "(cannot be read)"
        figures.append(f"<figure>{image}<figcaption>{text(path)}</figcaption></figure>")
    return f"<div class=strip>{''.join(figures)}</div>"


def _thumbnail(root: Path, path: str) -> NDArray[np.uint8] | None:
    """uint8 [H, W, 3], RGB, in its own proportions; None when it cannot be read."""
    try:
        image = load_rgb(root / path, at_least=2 * THUMBNAIL_PX)
    except InputError:
        return None
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    return np.asarray(image)


def _data_uri(picture: NDArray[np.uint8]) -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def text(raw: str) -> str:
    """Text as HTML."""
    return escape(raw, quote=True)
