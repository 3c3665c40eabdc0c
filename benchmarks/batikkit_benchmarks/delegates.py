"""What a phone's delegates would leave on the CPU, predicted from published operator tables without a phone.

A delegate that takes less than all splits the network, and every border costs a copy between processors: a phone then
often runs slower than on its CPU alone, and says nothing. The tables are facts transcribed from the delegates' own
checks; drivers may refuse more. Sources, read on 2026-11-26:

* GPU: `CheckGpuDelegateCompatibility` in tensorflow/lite/tools/versioning/gpu_compatibility.cc, TensorFlow 03a5e4e19a.
* NNAPI: `NNAPIDelegateKernel::Validate` in tensorflow/lite/delegates/nnapi/nnapi_delegate.cc, TensorFlow 002e5f47fa,
  for Android 11 and newer. NNAPI is deprecated since Android 15.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from batikkit.tflite.graph import Graph, Operator, Tensor

SOURCE_DATE = "2026-11-26"
"""When the tables were read."""

Rule = Callable[[Operator], str]
"""Why an operator stays on the CPU; empty where the delegate takes it."""


@dataclass(frozen=True)
class Prediction:
    """What one delegate would leave on the CPU.

    Attributes:
        total: Operators of the first graph.
        left: `MEAN: input and output differ in scale` -> how many.
        parts: Pieces the network falls into for the delegate; 1 is best, 0 is nothing.
    """

    total: int
    left: dict[str, int] = field(default_factory=dict)
    parts: int = 0

    @property
    def text(self) -> str:
        """`all 66 operators`, or what stays."""
        if not self.left:
            return f"all {self.total} operators"
        stays = ", ".join(f"{count} {reason}" for reason, count in self.left.items())
        return f"{self.total - sum(self.left.values())} of {self.total} in {self.parts} part(s); on the CPU: {stays}"


def predict(graph: Graph) -> dict[str, Prediction]:
    """Delegate -> what it would leave of a graph."""
    return {name: _predict(graph, table, common) for name, (table, common) in DELEGATES.items()}


def _predict(graph: Graph, table: Mapping[str, Rule], common: Rule) -> Prediction:
    left: Counter[str] = Counter()
    parts, inside = 0, False
    for operator in graph.operators:
        rule = table.get(operator.name)
        reason = "not in its table" if rule is None else common(operator) or rule(operator)
        if reason:
            left[f"{operator.name}: {reason}"] += 1
        parts += not reason and not inside
        inside = not reason
    return Prediction(len(graph.operators), dict(sorted(left.items())), parts)


def _any(_operator: Operator) -> str:
    return ""


def _computed(operator: Operator) -> list[Tensor]:
    return [tensor for tensor in operator.inputs if tensor is not None and tensor.data is None]


def _option(operator: Operator, name: str) -> int:
    return operator.options.integer(name) if operator.options is not None else 0


def _gpu_types(operator: Operator) -> str:
    wide = {tensor.dtype for tensor in (*_computed(operator), *operator.outputs)} & {"int16", "int64", "float64"}
    return f"{wide.pop()} activations" if wide else ""


def _constant_axes(operator: Operator) -> str:
    axes = operator.inputs[1]
    return "" if axes is not None and axes.data is not None and axes.dtype == "int32" else "axes are no constant"


def _one_source(operator: Operator) -> str:
    return "" if len(_computed(operator)) == 1 else f"{len(_computed(operator))} computed inputs"


def _gpu_softmax(operator: Operator) -> str:
    beta = operator.options.values.get("beta", 0.0) if operator.options is not None else 0.0
    return "" if beta == 1 else f"beta {beta}"


def _gpu_dense(operator: Operator) -> str:
    return "shuffled weights" if _option(operator, "weights_format") else ""


def _gpu_strided_slice(operator: Operator) -> str:
    masks = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    return next((mask for mask in masks if _option(operator, mask)), "")


def _gpu_pad(operator: Operator) -> str:
    pads = operator.inputs[1]
    return "" if pads is not None and pads.shape in ((3, 2), (4, 2)) else "paddings are not 3x2 or 4x2"


_GPU_PLAIN = """
ABS ADD_N ATAN2 AVERAGE_POOL_2D ADD BATCH_MATMUL CEIL CONCATENATION CONV_2D COS DEPTHWISE_CONV_2D DEPTH_TO_SPACE
DEQUANTIZE DIV ELU EQUAL EXP FLOOR FLOOR_DIV FLOOR_MOD GATHER GELU GREATER GREATER_EQUAL LEAKY_RELU LESS LESS_EQUAL LOG
LOGICAL_AND LOGISTIC MAXIMUM MAX_POOL_2D MINIMUM MUL NEG NOT_EQUAL PACK POW PRELU QUANTIZE RELU RELU6 RELU_N1_TO_1 RSQRT
SIGN SIN SLICE SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SUB TANH TRANSPOSE_CONV
"""
_GPU: dict[str, Rule] = {
    **dict.fromkeys(_GPU_PLAIN.split(), _any),
    **dict.fromkeys(
        ("HARD_SWISH", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "TILE", "TRANSPOSE"), _one_source
    ),
    **dict.fromkeys(("MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "SUM"), _constant_axes),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), _gpu_pad),
    "FULLY_CONNECTED": _gpu_dense,
    "SOFTMAX": _gpu_softmax,
    "STRIDED_SLICE": _gpu_strided_slice,
}


def _nnapi_types(operator: Operator) -> str:
    found = {tensor.dtype for tensor in _computed(operator)} - {"float32", "int8", "uint8", "int32", "bool"}
    return f"{found.pop()} activations" if found else ""


def _up_to(version: int, *more: Rule) -> Rule:
    def rule(operator: Operator) -> str:
        if operator.version > version:
            return f"version {operator.version}, at most {version}"
        return next((reason for check in more if (reason := check(operator))), "")

    return rule


def _with_bias(operator: Operator) -> str:
    return "" if len(operator.inputs) == 3 and operator.inputs[2] is not None else "no bias"


def _same_scale(operator: Operator) -> str:
    source, result = operator.inputs[0], operator.outputs[0]
    alike = source is not None and source.scale.tolist() == result.scale.tolist()
    same_zero = source is not None and source.zero_point.tolist() == result.zero_point.tolist()
    return "" if alike and same_zero else "input and output differ in scale"


def _nnapi_dequantize(operator: Operator) -> str:
    source = operator.inputs[0]
    if source is not None and source.dtype == "float16" and source.data is not None:
        return ""  # weights: the delegate takes them as they are and drops the operator
    return _up_to(2, _of_bytes)(operator)


def _of_bytes(operator: Operator) -> str:
    source = operator.inputs[0]
    return "" if source is not None and source.dtype in ("int8", "uint8") else "of another type than int8"


def _no_activation(operator: Operator) -> str:
    return "a fused activation" if _option(operator, "fused_activation_function") else ""


def _of_float(operator: Operator) -> str:
    return "" if operator.inputs[0] is not None and operator.inputs[0].dtype == "float32" else "not of float32"


def _average_window(operator: Operator) -> str:
    """A quantized window beyond 256 is refused unless the app names an accelerator."""
    source = operator.inputs[0]
    large = _option(operator, "filter_width") * _option(operator, "filter_height") > 256
    return "a window over 256" if large and source is not None and source.dtype in ("int8", "uint8") else ""


_NNAPI: dict[str, Rule] = {
    "ADD": _up_to(2),
    "MUL": _up_to(2),
    "SUB": _up_to(3),
    "DIV": _up_to(1, _of_float),
    "AVERAGE_POOL_2D": _up_to(2, _average_window),
    "MAX_POOL_2D": _up_to(2),
    "CONV_2D": _up_to(3, _with_bias),
    "DEPTHWISE_CONV_2D": _up_to(3),
    "FULLY_CONNECTED": _up_to(5),
    "SOFTMAX": _up_to(2),
    "MEAN": _up_to(2, _same_scale),
    "CONCATENATION": _up_to(2, _no_activation),
    "RESHAPE": _up_to(1),
    "SQUEEZE": _up_to(1),
    "PAD": _up_to(2),
    "PADV2": _up_to(2),
    "TRANSPOSE": _up_to(2),
    "STRIDED_SLICE": _up_to(2),
    "SLICE": _up_to(2),
    "RESIZE_BILINEAR": _up_to(3),
    "RESIZE_NEAREST_NEIGHBOR": _up_to(3),
    "TRANSPOSE_CONV": _up_to(3),
    "SPACE_TO_DEPTH": _up_to(2),
    "DEQUANTIZE": _nnapi_dequantize,
    "QUANTIZE": _up_to(2),
    "DEPTH_TO_SPACE": _any,
    **dict.fromkeys(("REDUCE_MAX", "REDUCE_MIN"), _up_to(2)),
    "SUM": _up_to(1, _of_float),
    "HARD_SWISH": _any,
    **dict.fromkeys(("RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH"), _up_to(2)),
    **dict.fromkeys(("PRELU", "LEAKY_RELU"), _up_to(1)),
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), _up_to(3)),
    **dict.fromkeys(("EXP", "SQRT", "RSQRT", "ABS", "LOG", "SIN", "POW"), _up_to(1, _of_float)),
}

DELEGATES: dict[str, tuple[Mapping[str, Rule], Rule]] = {"GPU": (_GPU, _gpu_types), "NNAPI": (_NNAPI, _nnapi_types)}
"""Delegate -> its operators, and what it asks of all of them."""
