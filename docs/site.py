"""For `make docs`: what the pages link to outside of docs/ is no part of the site, and lies in the repository."""

from __future__ import annotations

import re
from typing import Any

REPOSITORY = "https://github.com/batikkit/batikkit/blob/main/"


def on_page_markdown(markdown: str, **_context: Any) -> str:
    """MkDocs calls this for every page."""
    return re.sub(r"\]\(\.\./(?=[\w-]+/[\w./-]+\))(?!docs/)", f"]({REPOSITORY}", markdown)
