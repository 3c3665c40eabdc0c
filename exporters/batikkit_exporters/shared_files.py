"""Names of the files in the folder that the processes of one export share."""

from __future__ import annotations

GRAPH = "graph.pb"
"""The frozen graph."""
FLOAT = "float32.tflite"
OBSERVED = "observed.pkl"
"""What the calibration photographs were seen to do in the float network."""
CALIBRATION = "calibration.npy"
"""The calibration photographs, uint8 [N, S, S, 3]."""
PROOF = "proof.npz"
"""Photographs and the float network's answers, to prove every file by."""
