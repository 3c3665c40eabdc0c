"""Batik motif classification, from a folder of photographs to a proven `.tflite` file."""

__version__ = "0.1.0"
