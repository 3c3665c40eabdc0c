"""Looking at the pages that commands write: are they whole, do they fetch anything, does a browser draw them?"""

from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


class Checker(HTMLParser):
    """Collects unbalanced tags and anything that would be fetched."""

    VOID = frozenset({"meta", "br", "line", "rect", "circle", "path", "polygon", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.fetched += [value for key, value in attrs if key in ("src", "href") and value]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def assert_whole(page: str) -> None:
    """Balanced tags, nothing fetched, a dark style."""
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert checker.fetched == []
    assert "url(" not in page
    assert "prefers-color-scheme: dark" in page


def _draw(command: list[str]) -> None:
    """Headless Chromium hangs now and then on a busy machine; a second start has always drawn the page."""
    for last in (False, True):
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=180)
        except subprocess.TimeoutExpired:
            if last:
                raise
        else:
            return


def screenshot(page: str, folder: Path, *, dark: bool, width: int = 1200, height: int = 2600) -> np.ndarray:
    """int [height, width, 3]: the page as Chromium draws it; skips where there is none."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium: apt-get install chromium")
    file, shot = folder / "page.html", folder / "shot.png"
    file.write_text(page, encoding="utf-8")
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--hide-scrollbars",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},{height}", f"--screenshot={shot}",
    ]  # fmt: skip
    _draw([browser, *flags, file.as_uri()])
    pixels = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    assert pixels.shape == (height, width, 3)
    assert (pixels[5, 5].mean() < 60) == dark
    # Text and charts: a page that drew nothing, or one colour, has few tones.
    assert len(np.unique(pixels.reshape(-1, 3)[::7], axis=0)) > 100
    assert not (pixels[:, -1] != pixels[5, 5]).any(), "the page is wider than its window"
    return pixels
