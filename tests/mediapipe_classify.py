"""Classifies images with MediaPipe; run by its own interpreter, as mediapipe cannot share the project's environment.

    python mediapipe_classify.py MODEL [IMAGE...] [--locale LOCALE]

Prints JSON: `scores`, one list of {"index", "label", "display", "score"} per image, by class index; and `metadata`,
what the published reader of the metadata schema finds in the model.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import mediapipe
import numpy as np
from mediapipe.tasks.metadata import metadata_schema_py_generated as schema
from mediapipe.tasks.python import BaseOptions, vision
from PIL import Image


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, nargs="*")
    parser.add_argument("--locale")
    arguments = parser.parse_args()
    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_buffer=arguments.model.read_bytes()),
        display_names_locale=arguments.locale,
    )
    found = []
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for path in arguments.images:
            pixels = np.ascontiguousarray(Image.open(path).convert("RGB"))
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
            categories = classifier.classify(image).classifications[0].categories
            found.append(
                [
                    {"index": c.index, "label": c.category_name, "display": c.display_name, "score": float(c.score)}
                    for c in sorted(categories, key=lambda category: category.index)
                ]
            )
    json.dump({"scores": found, "metadata": read_metadata(arguments.model.read_bytes())}, sys.stdout)


def read_metadata(model: bytes) -> dict[str, Any]:
    start = model.index(b"M001") - 4
    root = schema.ModelMetadataT.InitFromObj(schema.ModelMetadata.GetRootAs(model[start:], 0))
    (graph,) = root.subgraphMetadata
    (source,), (target,) = graph.inputTensorMetadata, graph.outputTensorMetadata
    image, scaling = source.content.contentProperties, source.processUnits[0].options
    return {
        "name": root.name.decode(),
        "rgb": image.colorSpace == schema.ColorSpaceType.RGB,
        "size": [image.defaultSize.width, image.defaultSize.height],
        "mean": [float(value) for value in scaling.mean],
        "std": [float(value) for value in scaling.std],
        "max": [float(value) for value in source.stats.max],
        "files": [[file.name.decode(), (file.locale or b"").decode()] for file in target.associatedFiles],
        "labels": all(file.type == schema.AssociatedFileType.TENSOR_AXIS_LABELS for file in target.associatedFiles),
    }


if __name__ == "__main__":
    main()
