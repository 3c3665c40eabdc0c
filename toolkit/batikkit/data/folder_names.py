"""What names of folders and files say: nothing at all, a split, a motif, or only how the photographs were put away."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_JUNK = frozenset(
    {"lost+found", "system volume information", "recycler", "#recycle", "thumbs.db", "ehthumbs.db", "desktop.ini"}
    | {"__pycache__", "network trash folder", "temporary items", "icon\r", "found.000", "picasa.ini"}
)
_JUNK_STARTS = (".", "__macosx", "@eadir", "@recycle", "@recently", "@syno", "@tmp", "$recycle", "synofile_thumb", "~$")

_SPLITS = {
    "train": "train", "training": "train", "trainset": "train", "traindata": "train", "latih": "train",
    "pelatihan": "train", "val": "validation", "valid": "validation", "validate": "validation",
    "validation": "validation", "dev": "validation", "validasi": "validation", "valset": "validation", "test": "test",
    "testing": "test", "tests": "test", "testset": "test", "testdata": "test", "uji": "test", "pengujian": "test",
}  # fmt: skip


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEUTRAL = _listed("""
    set sets data dataset datasets image images img imgs photo photos foto gambar citra picture pictures pic pics
    folder dir split final new batik motif motifs class classes kelas
""")
_TECHNICAL = _NEUTRAL | _listed("""
    original originals originial orig ori asli raw augmented augmentation augment aug augmentasi resized resize crop
    cropped crops camera cam kamera phone hp canon nikon sony iphone samsung android scan scanner studio indoor outdoor
    batch part bagian fold sample samples sampel contoh extra more old hasil result results web google internet kaggle
    closeup close near far dekat jauh front back detail cloth cloths kain patch place session day clean dirty labeled
    labelled unlabeled processed preprocessed edited edit flip flipped rotated rotation rot source origin
""")
_MOTIFS = _listed("""
    kawung parang ceplok truntum megamendung mega mendung tambal nitik lereng sekar jagad sekarjagad sidomukti
    sidoluhur sidomulyo sido gedog grompol wahyu tumurun satrio manah semen rama pisang bali poleng udan liris cuwiri
    sogan lasem pekalongan cirebon madura garutan priangan betawi celup dayak insang ikat lontara mataketeran
    cendrawasih tifa honai papua bokor keraton kraton gentongan merak buketan jlamprang tujuhrupa
""")


def is_junk(name: str) -> bool:
    """Hidden, or left behind by a system, a network drive or an archive: no part of anybody's set."""
    low = name.lower()
    return low in _JUNK or low.startswith(_JUNK_STARTS)


def shown(text: str) -> str:
    """A name for people and files: what is not UTF-8 in it becomes a replacement character."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def folded(name: str) -> str:
    """Equal for names that differ by case, by composed or decomposed accents, or by spaces around and within."""
    return " ".join(
        unicodedata.normalize("NFC", unicodedata.normalize("NFC", shown(name)).casefold()).lstrip("\ufeff").split()
    )


def split_named(name: str) -> str:
    """`train`, `validation` or `test` for a name such as `Training Set` or `data_uji`; empty for any other."""
    words = _words(name)
    splits = {_SPLITS[word] for word in words if word in _SPLITS}
    rest = [word for word in words if word not in _SPLITS and word not in _NEUTRAL]
    return splits.pop() if len(splits) == 1 and not rest else ""


def tells_no_motif(name: str) -> bool:
    """A name such as `Augmented Images`, `cam2` or `07`: how photographs were taken or put away."""
    words = _words(name)
    return all(len(word) == 1 or word in _TECHNICAL or word in _SPLITS for word in words)


def names_a_motif(name: str) -> bool:
    """A well-known batik motif is named."""
    return any(word in _MOTIFS for word in _words(name))


def motif_of_each(names: Iterable[str], counts: dict[str, int]) -> dict[str, str]:
    """Name -> the motif it stands for: spellings that fold alike are one, called as most photographs are.

    Args:
        names: Names of folders, or labels of a table.
        counts: Name -> photographs.
    """
    spellings: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        spellings.setdefault(folded(name), []).append(name)
    chosen = {}
    for alike in spellings.values():
        best = max(alike, key=lambda name: (counts.get(name, 0), name == name.strip(), name.islower()))
        for name in alike:
            chosen[name] = unicodedata.normalize("NFC", shown(best)).strip().lstrip("\ufeff") or shown(best)
    return chosen


def twins(motif_of: dict[str, str]) -> list[str]:
    """One line for each motif that is spelled in several ways."""
    spelled: dict[str, list[str]] = {}
    for name, motif in sorted(motif_of.items()):
        spelled.setdefault(motif, []).append(shown(name))
    return [f"{' and '.join(map(repr, names))} are one motif, called {motif!r}" for motif, names in spelled.items()
            if len(names) > 1]  # fmt: skip


def _words(name: str) -> list[str]:
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", shown(name))
    return re.findall(r"[^\W\d_]+", parted.lower())
