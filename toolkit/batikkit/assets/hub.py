"""What makes the model card one of the Hugging Face Hub: a YAML header with licence, task and measured accuracy.

Fields: huggingface.co/docs/hub/model-cards and the example modelcard.md of huggingface/hub-docs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from batikkit.assets.figures import VariantFigures
from batikkit.assets.provenance import Provenance

_KNOWN = {
    "apache-2.0": "apache-2.0", "apache 2.0": "apache-2.0", "mit": "mit", "cc0": "cc0-1.0", "cc0 1.0": "cc0-1.0",
    "cc by 4.0": "cc-by-4.0", "cc-by-4.0": "cc-by-4.0", "cc by-sa 4.0": "cc-by-sa-4.0", "cc-by-sa-4.0": "cc-by-sa-4.0",
    "cc by-nc 4.0": "cc-by-nc-4.0", "cc-by-nc-4.0": "cc-by-nc-4.0", "cc by-nc-sa 4.0": "cc-by-nc-sa-4.0",
}  # fmt: skip
"""Names that people write, and the Hub's; any other becomes `other` with the name as it is."""


def hub_header(source: Provenance, figures: Sequence[VariantFigures], *, licence: str) -> str:
    """The header with its two lines of dashes. Every value is written as JSON, which YAML is a superset of."""
    known = _KNOWN.get(licence.lower())
    entry: dict[str, object] = {"language": ["en", "id"], "license": known or "other"}
    if known is None:
        entry["license_name"] = licence
    entry |= {
        "pipeline_tag": "image-classification",
        "tags": ["batik", "image-classification", "litert", "tflite"],
        "metrics": ["accuracy"],
        "model-index": [{"name": source.run_id, "results": [_result(source, f) for f in figures]}],
    }
    lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items())
    return "---\n" + "\n".join(lines) + "\n---\n\n"


def _result(source: Provenance, f: VariantFigures) -> dict[str, object]:
    report = f.evaluation.report
    low, high = report.accuracy_ci95
    name = "drawn motifs" if source.synthetic is not None else "photographs of the run"
    return {
        "task": {"type": "image-classification", "name": "batik motif"},
        "dataset": {"name": name, "type": source.split_sha256, "split": "test"},
        "metrics": [
            {
                "type": "accuracy", "value": round(report.accuracy, 4),
                "name": f"accuracy, {f.variant} (95 % interval {low:.3f} to {high:.3f}, n = {report.n})",
            }
        ],
    }  # fmt: skip
