"""Draw the sheet of motifs for the documentation: `python -m batikkit.data.synth docs/images/motifs.png`."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from batikkit import atomic
from batikkit.data.synth.writing import motif_sheet


def main(argv: list[str]) -> int:
    """Write the sheet to the path given, with 64 colours so that it stays light."""
    if len(argv) != 1:
        print("usage: python -m batikkit.data.synth FILE.png", file=sys.stderr)
        return 2
    with atomic.replacing(Path(argv[0])) as temporary:
        sheet = motif_sheet()
        sheet.quantize(64, dither=Image.Dither.NONE).save(temporary, format="PNG", optimize=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
