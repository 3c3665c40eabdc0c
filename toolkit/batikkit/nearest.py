"""Names that somebody may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def choices(name: str, known: Iterable[str]) -> str:
    """What to do about an unknown name: `did you mean best? choose best, demo, paper`.

    Those that are spelt nearly alike are named first, whatever their case; where none is, only the list is there.
    """
    listed = list(known)
    plain = {known_name.casefold(): known_name for known_name in reversed(listed)}
    wanted = name.casefold().replace("_", "-")
    near = difflib.get_close_matches(wanted, plain, n=2) or difflib.get_close_matches(name.casefold(), plain, n=2)
    meant = f"did you mean {' or '.join(plain[word] for word in near)}? " if near else ""
    return f"{meant}choose {', '.join(listed)}"
