"""Synthetic batik: pictures of real motifs drawn from their geometry, the same for the same seed."""

from __future__ import annotations

from batikkit.synth.drawing import draw_motif
from batikkit.synth.motifs import MOTIFS, Motif
from batikkit.synth.writing import motif_sheet, write_synthetic_set

__all__ = ["MOTIFS", "Motif", "draw_motif", "motif_sheet", "write_synthetic_set"]
