"""Synthetic batik: pictures of real motifs drawn from their geometry, the same for the same seed."""

from __future__ import annotations

from batikkit.data.synth.drawing import draw_motif
from batikkit.data.synth.motifs import MOTIFS, Motif
from batikkit.data.synth.writing import motif_sheet, write_synthetic_set

__all__ = ["MOTIFS", "Motif", "draw_motif", "motif_sheet", "write_synthetic_set"]
