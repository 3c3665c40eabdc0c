"""Motif names for people, in English and Indonesian; a label that is not listed is shown as it is written."""

from __future__ import annotations

from collections.abc import Sequence

from batikkit.labels import OTHER

LANGUAGES = ("en", "id")

_GLOSSES = {
    "ceplok": ("rosettes", "roset berulang"),
    "gedog": ("hand-woven cloth of Tuban", "kain tenun Tuban"),
    "kawung": ("palm fruit", "buah aren"),
    "lereng": ("narrow slanting bands", "lajur miring sempit"),
    "megamendung": ("rain clouds", "awan hujan"),
    "nitik": ("dots like weaving", "titik serupa tenunan"),
    "parang": ("slanting blades", "bilah miring"),
    "tambal": ("patchwork", "tambalan"),
    "truntum": ("scattered stars", "taburan bintang"),
    "udan_liris": ("drizzle", "hujan gerimis"),
}
"""What the word means or shows, as English and Indonesian speakers would say it; see docs/motifs.md for sources."""

_OTHER = ("Something else", "Yang lain")


def display_name(label: str, language: str) -> str:
    """`udan_liris` as `Udan liris (drizzle)`."""
    if label == OTHER:
        return _OTHER[LANGUAGES.index(language)]
    name = label.replace("_", " ").strip()
    name = name[:1].upper() + name[1:]
    gloss = _GLOSSES.get(label.lower())
    return f"{name} ({gloss[LANGUAGES.index(language)]})" if gloss else name


def display_names(labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Names of all labels, in their order, by language."""
    return {language: tuple(display_name(label, language) for label in labels) for language in LANGUAGES}
