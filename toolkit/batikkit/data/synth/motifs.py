"""The motifs by name: what each is, how it is drawn and where its geometry comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from batikkit.data.synth import bands, ceplokan
from batikkit.data.synth.fields import Field, Slots


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


_ALL = (
    Motif(
        "kawung",
        "Four ovals with their heads together, like the split fruit of the sugar palm, two seeds in each.",
        "Square grid. One oval (an ellipse, or the lens where two circles overlap) lies on each half-diagonal of the "
        "square and points at its centre; two dots or a slit inside; a diamond, a cross or nothing in the gaps.",
        "Ovals set on both diagonals, or intersecting circles, pointing at one centre: Indonesian school text after "
        "Depdikbud 1979 (text-id.123dok.com, 'Alat dan sumber belajar'); circles that intersect, and the sizes named "
        "after coins (picis, bribil, sen): infobatik.id, batikfrom-indonesia.blogspot.com.",
        (2.2, 4.6),
        ceplokan.kawung,
    ),
    Motif(
        "parang",
        "Diagonal bands of leaning S-shaped blades, and a chain of small diamonds between one band and the next.",
        "Parallel bands. In each, blades at equal pitch lean by about 45 degrees to the band; a blade is a bent bar "
        "with a round head at both ends, cut in on opposite sides below the heads. A dark strip with one diamond "
        "(mlinjon) per blade divides the bands.",
        "Lines at 45 degrees and always mlinjon: sulisbatik.blogspot.com 'Pola parang dan lereng'; mlinjon, sujen and "
        "gareng's eyes: rumahbatiknoeza.blogspot.com; two gareng curves and a mlinjo diamond at the end of each: "
        "gpswisataindonesia.info. The shape of the blade was matched by eye to photographs.",
        (1.8, 3.6),
        bands.parang,
    ),
    Motif(
        "ceplok",
        "Large rosettes in framed squares, circles or octagons, often two kinds in turn, small ones at the corners.",
        "Square grid. A petal curve with four, six or eight lobes, drawn in two nested rings round a heart; a frame "
        "(square, diamond, circle, octagon) with filling outside it; a smaller flower where four squares meet.",
        "A repeat that is a square, circle, diamond or polygon, holding a stylised flower or animal: "
        "noewidya26.blogspot.com 'Pola batik'; ceplok among the motifs with a square repeat: "
        "pawontedjo.blogspot.com 'Motif batik'. The rosettes were matched by eye to photographs.",
        (1.8, 3.6),
        ceplokan.ceplok,
    ),
    Motif(
        "megamendung",
        "Rain clouds drawn out sideways to curved points, contour within contour from light to deep, with curls.",
        "Brick-like rows. A cloud is the union of a tapered, S-bent body and five to seven round lobes; the distance "
        "to its rim is cut into 4 to 7 equal steps, each one shade; a spiral in the two largest lobes.",
        "Cirebon; clouds lie sideways, oval, pointed and triangular where the Chinese ones are round: "
        "mbatikyuuuk.com; at first seven shades of blue, today often fewer or none: batik-tulis.com. The curls were "
        "matched by eye to photographs.",
        (1.3, 2.4),
        bands.megamendung,
    ),
    Motif(
        "truntum",
        "Small stars or jasmine flowers strewn in close, even rows, mostly on a dark ground.",
        "Square grid plus the same grid moved by half a repeat. A star is a narrow power of a cosine in the angle "
        "(6, 8 or 10 rays) with a heart; dots, a cross of dots or a diamond midway between the stars.",
        "Stars of the night sky or jasmine buds, small, in even rows; ascribed to the consort of Pakubuwana III of "
        "Surakarta: batik-tulis.com 'The history of truntum', batikindonesia.com. Ray counts were taken from "
        "photographs.",
        (3.0, 5.0),
        ceplokan.truntum,
    ),
    Motif(
        "nitik",
        "Flowers and crosses made of nothing but small square dots and dashes, imitating woven patola cloth.",
        "Square grid of 11 or 13 dot places a side with the symmetry of the square: a diamond heart, arms along axes "
        "and diagonals, a diamond ring or clusters of four, corner pieces; often a round ring of dots. Dots are "
        "squares with soft corners.",
        "Modelled on Indian patola; a canting slit both ways leaves square dots; planned on a grid with repeats of 5 "
        "to 7 cm: kebudayaanindonesia.net 'Batik nitik'. The look follows the Batik Nitik 960 photographs (doi "
        "10.17632/sgh484jxzy).",
        (1.4, 2.4),
        ceplokan.nitik,
    ),
    Motif(
        "tambal",
        "Patchwork: squares and triangles, every patch with another filling.",
        "Square grid. Each square stays whole or is cut along one diagonal or both; every patch takes one of eight "
        "fillings, each with its own colours, density and direction; a line along every seam.",
        "Tambal means patch; parang, truntum, ceplok and others joined in one cloth, parted by diagonal lines: "
        "jogja.idntimes.com 'Filosofi batik motif tambal'; in squares: an Indonesian vocational textbook for class XI. "
        "Triangles as in photographs.",
        (1.8, 3.0),
        bands.tambal,
    ),
    Motif(
        "lereng",
        "Many narrow straight bands, each with another small filling, like drizzle (udan liris).",
        "Parallel bands of unequal width, four to six to a repeat, set apart by plain straight lines; each holds one "
        "row of dots, teeth, tendrils, rings, leaves or strokes. No blades with heads and no row of mlinjon.",
        "Bounded by straight lines, mlinjon not needed, tendrils and other fillings between; udan liris (Surakarta, "
        "Pakubuwana III) as the model: rumahbatiknoeza.blogspot.com; never mlinjon: sulisbatik.blogspot.com.",
        (1.4, 2.4),
        bands.lereng,
    ),
)
MOTIFS: Mapping[str, Motif] = MappingProxyType({motif.name: motif for motif in _ALL})
