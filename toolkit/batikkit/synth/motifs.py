"""The motifs by name: what each is, how it is drawn and where its geometry comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from batikkit.synth import bands, ceplokan
from batikkit.synth.fields import Field, Slots


@dataclass(frozen=True)
class Motif:
    """One batik motif.

    Attributes:
        name: Its name, also the name of its folder and label.
        description: What a person sees.
        geometry: How it is drawn.
        source: Where the facts of its geometry come from.
        repeats: Fewest and most repeats across the width of a picture.
        draw: Maps x and y (float32 [H, W], in repeats) and a random generator to colour slots (uint8 [H, W]).
    """

    name: str
    description: str
    geometry: str
    source: str
    repeats: tuple[float, float]
    draw: Callable[[Field, Field, np.random.Generator], Slots]


KERATON = (
    "the classic Javanese grouping into geometric and free motifs (Sewan Susanto, Seni Kerajinan Batik Indonesia, 1980)"
)
_ALL = (
    Motif(
        "kawung",
        "Four ovals with their heads together, like the split fruit of the sugar palm, two seeds in each.",
        "Square grid. One oval (an ellipse, or the lens where two circles overlap) lies on each half-diagonal of the "
        "square and points at its centre; two dots or a slit inside; a diamond, a cross or nothing in the gaps.",
        "Rows of ovals or intersecting circles placed on both diagonals, pointing at one centre; sizes named after "
        "coins (picis, bribil, sen). Indonesian vocational batik texts (Depdikbud 1979) and museum guides.",
        (2.2, 4.6),
        ceplokan.kawung,
    ),
    Motif(
        "parang",
        "Diagonal bands of leaning S-shaped blades, and a chain of small diamonds between one band and the next.",
        "Parallel bands. In each, blades at equal pitch lean by about 45 degrees to the band; a blade is a bent bar with "
        "a round head at both ends, cut in on opposite sides below the heads. A dark strip with one diamond (mlinjon) "
        "per blade divides the bands.",
        "Slope of 45 degrees, mlinjon diamonds, rows of gareng (curved blades): what sets parang apart from lereng in "
        "the Surakarta and Yogyakarta teaching texts. The size of a band ranges from klithik to barong.",
        (1.8, 3.6),
        bands.parang,
    ),
    Motif(
        "ceplok",
        "Large rosettes in framed squares, circles or octagons, often two kinds in turn, small ones at the corners.",
        "Square grid. A petal curve with four, six or eight lobes, drawn in two nested rings round a heart; a frame "
        "(square, diamond, circle, octagon) with filling outside it; a smaller flower where four squares meet.",
        "A geometric group whose repeat is a square or circle holding a flower or animal seen from above, with four-fold "
        "symmetry: " + KERATON + ".",
        (1.8, 3.6),
        ceplokan.ceplok,
    ),
    Motif(
        "megamendung",
        "Rain clouds drawn out sideways to curved points, contour within contour from light to deep, with curls.",
        "Brick-like rows. A cloud is the union of a tapered, S-bent body and four to six round lobes; the distance to "
        "its rim is cut into 4 to 7 equal steps, each one shade; a spiral in the two largest lobes.",
        "Cirebon; clouds lie sideways, oval and pointed (the Chinese model is rounder), originally in seven shades of "
        "blue. Komarudin Kudiya's accounts of Cirebon batik, and makers' descriptions.",
        (1.5, 2.8),
        bands.megamendung,
    ),
    Motif(
        "truntum",
        "Small stars or jasmine flowers strewn in close, even rows, mostly on a dark ground.",
        "Square grid plus the same grid moved by half a repeat. A star is a narrow power of a cosine in the angle (6, 8 "
        "or 10 rays) with a heart; dots, a cross of dots or a diamond midway between the stars.",
        "Ascribed to Kanjeng Ratu Kencana (Ratu Beruk), consort of Pakubuwana III of Surakarta: stars scattered over "
        "the night sky, small and at equal distances.",
        (3.0, 5.0),
        ceplokan.truntum,
    ),
    Motif(
        "nitik",
        "Flowers and crosses made of nothing but small square dots and dashes, imitating woven patola cloth.",
        "Square grid of 11 or 13 dot places a side with the symmetry of the square: a diamond heart, arms along axes and "
        "diagonals, a diamond ring, clusters of four; often a round ring of dots. Dots are squares with soft corners.",
        "Nitik takes the Indian double-ikat patola (cinde) as its model; a canting with its mouth split crosswise "
        "(canting cawang) leaves square dots; repeats of about 5 to 7 cm. Indonesian directorate of culture; the Batik "
        "Nitik 960 data set (doi 10.17632/sgh484jxzy).",
        (1.4, 2.4),
        ceplokan.nitik,
    ),
    Motif(
        "tambal",
        "Patchwork: squares and triangles, every patch with another filling.",
        "Square grid. Each square stays whole or is cut along one diagonal or both; every patch takes one of eight "
        "fillings, each with its own colours, density and direction; a line along every seam.",
        "Tambal means patch; the cloth imitates one sewn from scraps, most often of right-angled triangles, each filled "
        "from another motif: " + KERATON + ".",
        (1.8, 3.0),
        bands.tambal,
    ),
    Motif(
        "lereng",
        "Many narrow straight bands, each with another small filling, like drizzle (udan liris).",
        "Parallel bands of unequal width, four to six to a repeat, set apart by plain straight lines; each holds one row "
        "of dots, teeth, tendrils, rings, leaves or strokes. No blades with heads and no row of mlinjon.",
        "Straight bounding lines and no mlinjon, against parang; udan liris of Surakarta, reign of Pakubuwana III, is "
        "the model. The Surakarta and Yogyakarta teaching texts.",
        (1.4, 2.4),
        bands.lereng,
    ),
)
MOTIFS: Mapping[str, Motif] = MappingProxyType({motif.name: motif for motif in _ALL})
