"""The split as a Croissant data set (mlcommons.org/croissant, version 1.0): which picture is of which motif and part.

No photograph is passed on: the file lists names, labels, groups, parts and hashes, as `split.csv` does.
"""

from __future__ import annotations

import hashlib
import json

from batikkit.assets.provenance import Provenance
from batikkit.data.split import SPLIT_FILE

CROISSANT_FOLDER = "croissant"
CROISSANT_FILE = "croissant.json"
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that version 1.0 of the format asks for."""

_FIELDS = {
    "path": "Picture, relative to the folder of the data set.",
    "label": "Motif.",
    "group": "Pictures of one group show one cloth, or are copies; a group never lies in two parts.",
    "split": "train, validation or test.",
    "sha256": "Of the picture's file.",
}


def croissant_files(split: bytes, source: Provenance) -> dict[str, bytes]:
    """`croissant.json` and the split that it describes, by name."""
    text = json.dumps(_description(split, source), indent=1, ensure_ascii=False) + "\n"
    return {CROISSANT_FILE: text.encode(), SPLIT_FILE: split}


def _description(split: bytes, source: Provenance) -> dict[str, object]:
    counts = source.counts
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"batik-{source.run_id}",
        "description": f"The split of {counts['images']} pictures of batik into {counts['train']} to train on, "
        f"{counts['validation']} to choose by and {counts['test']} to test with; no group lies in two parts.",
        "distribution": [
            {
                "@type": "cr:FileObject", "@id": SPLIT_FILE, "name": SPLIT_FILE, "contentUrl": SPLIT_FILE,
                "contentSize": f"{len(split)} B", "encodingFormat": "text/csv",
                "sha256": hashlib.sha256(split).hexdigest(),
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet", "@id": "pictures", "name": "pictures", "key": {"@id": "pictures/path"},
                "field": [_field(name, what) for name, what in _FIELDS.items()],
            }
        ],
    }  # fmt: skip


def _field(name: str, what: str) -> dict[str, object]:
    return {
        "@type": "cr:Field", "@id": f"pictures/{name}", "name": name, "description": what,
        "dataType": ["sc:Text", "cr:Split"] if name == "split" else "sc:Text",
        "source": {"fileObject": {"@id": SPLIT_FILE}, "extract": {"column": name}},
    }  # fmt: skip
