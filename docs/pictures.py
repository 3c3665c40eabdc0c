"""`make pictures`: what README shows first, from drawn motifs and the model in android_demo_assets/.

Two pictures in docs/images/: drawings of a seed that the model was not trained on, each with its answer; and the page
that `batikkit evaluate` writes about them. Needs Chromium; no figure in them depends on how fast the machine is.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from batikkit import Classifier, atomic, evaluate
from batikkit.data.contact_sheet import contact_sheet
from batikkit.data.synth import write_synthetic_set
from batikkit.images import load_pixels

ROOT = Path(__file__).parents[1]
ASSETS, IMAGES = ROOT / "android_demo_assets", ROOT / "docs" / "images"
PER_MOTIF, SIDE, SEED, VARIETY = 20, 96, 20, 0.06
"""As the model was trained, but for the seed."""
SHOWN, COLUMNS, TILE_PX, COLOURS = 2, 4, 132, 96


def main(chromium: str) -> None:
    """Writes both pictures."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder, "drawn")
        classifier = Classifier(ASSETS)
        motifs = list(classifier.labels)
        write_synthetic_set(drawn, motifs=motifs, per_class=PER_MOTIF, size=SIDE, seed=SEED, variety=VARIETY)
        shown = [sorted((drawn / motif).glob("*.png"))[row] for motif in motifs for row in range(SHOWN)]
        answers = [classifier.classify(path) for path in shown]
        labels = [f"{answer.label or 'not sure'} {answer.probability:.0%}" for answer in answers]
        sheet = contact_sheet([load_pixels(path, TILE_PX) for path in shown], columns=COLUMNS, labels=labels)
        _keep(sheet, "answers.png")
        # Every drawing is a cloth of its own, however alike two of them look.
        judged = evaluate(classifier.path, data=drawn, group_by="(.+)", weights="none")
        page = judged.save(Path(folder, "report"))[0]
        _keep(_photographed(page, chromium, Path(folder, "page.png")), "report.png")


def _photographed(page: Path, chromium: str, to: Path) -> Image.Image:
    window = ["--window-size=1100,1145", "--force-device-scale-factor=1", "--hide-scrollbars"]
    command = [chromium, "--headless", "--no-sandbox", *window, f"--screenshot={to}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return Image.open(io.BytesIO(to.read_bytes()))


def _keep(picture: Image.Image, name: str) -> None:
    """With few colours, so that a page loads fast."""
    with atomic.replacing(IMAGES / name) as temporary:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(temporary, format="PNG", optimize=True)
    print(f"{IMAGES / name}: {(IMAGES / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "chromium")
