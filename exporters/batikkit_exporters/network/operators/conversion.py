"""QUANTIZE and DEQUANTIZE, between grids and float: batikkit writes them and never has to compute them."""

from __future__ import annotations

from batikkit_exporters.network.operators.operator import Operator

QUANTIZE = Operator("QUANTIZE", releases=("1.14.0", "1.15.0"))
DEQUANTIZE = Operator("DEQUANTIZE", releases=("1.13.1", "1.14.0", "1.15.0"))
