"""A trained run as what is exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from batikkit import runs
from batikkit.config import read_config
from batikkit.data.split import SPLIT_FILE, read_split
from batikkit.errors import InputError
from batikkit.evaluation.predictions import PREDICTIONS_FILE, read_predictions
from batikkit.labels import LABELS_FILE, OTHER, read_labels
from batikkit_exporters.source.loaded import LoadedNet, Source


def source_of_run(run: Path, *, data: Path | None = None) -> Source:
    """A trained run.

    Args:
        run: Its folder.
        data: The photographs' folder, if it moved since.

    Raises:
        InputError: no model, or no photographs.
    """
    model = runs.model_file(run)
    config = read_config(run / runs.CONFIG_FILE)
    facts = runs.read_run(run)
    root = data or Path(facts["data"]["root"])
    if not root.is_dir():
        raise InputError(f"the photographs of {run} are not at {root}: name their folder with --data DIR")
    said, labels = run / PREDICTIONS_FILE, read_labels(run / LABELS_FILE)
    other = run / runs.OTHER_FILE if (run / runs.OTHER_FILE).is_file() else None
    return Source(
        run_id=run.name,
        model=model,
        labels=(*labels, OTHER) if other else labels,
        other=other,
        rows=read_split(run / SPLIT_FILE),
        root=root,
        folder=run / runs.EXPORT_FOLDER,
        turns=config.quarter_turns,
        mirrors=config.flips != "none",
        trained_here=True,
        load=lambda: _load(model, other, config.image_size),
        recorded=read_predictions(said) if said.is_file() else None,
        caution=facts.get("caution", ""),
    )


def _load(model: Path, other: Path | None, image_size: int) -> LoadedNet:
    from batikkit.network.frozen_graph import freeze
    from batikkit.network.model import load_model
    from batikkit.network.other import read_other, with_other

    net = load_model(model)
    if other:
        net = with_other(net, read_other(other))
    return LoadedNet(
        frozen=freeze(net),
        answer=lambda images: np.asarray(net(images, training=False).numpy(), np.float32),
        image_size=image_size,
        classes=int(net.output.shape[-1]),
        keras=net,
    )
