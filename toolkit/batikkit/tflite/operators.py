"""What single operators demand of their tensors and options so that a native kernel cannot be brought down.

Kernels check much at run time but not all: a stride of 0 divides by zero, an options table of another operator leaves
every option 0. The rules here cover the operators of convolutional classifiers (`batikkit.tflite.kernels`); any other
operator passes with the checks that hold for all (`batikkit.tflite.graph`), so that no valid file is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from batikkit.tflite import kernels
from batikkit.tflite.graph import Operator, Tensor, need, need_usual

_ACTIVATIONS = range(6)

# Least number of inputs of operators without a rule of their own: some kernels read them without counting.
_LEAST_INPUTS = """
1 HASHTABLE_SIZE READ_VARIABLE
2 ASSIGN_VARIABLE
3 HASHTABLE_FIND HASHTABLE_IMPORT
1 ABS ADD_N ARG_MAX ARG_MIN BITCAST CAST CEIL COMPLEX_ABS COS DENSIFY ELU EXP FAKE_QUANT FLOOR GELU IMAG
1 L2_NORMALIZATION LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_NOT LOG_SOFTMAX MATRIX_DIAG NEG PACK RANK REAL ROUND
1 RSQRT SHAPE SIGN SIN SQRT SQUARE SQUEEZE UNIQUE UNPACK WHERE ZEROS_LIKE
2 ATAN2 BATCH_MATMUL BITWISE_XOR BROADCAST_ARGS BROADCAST_TO CUMSUM EMBEDDING_LOOKUP EQUAL EXPAND_DIMS FILL
2 FLOOR_DIV FLOOR_MOD GATHER GATHER_ND GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND LOGICAL_OR MATRIX_SET_DIAG
2 MAXIMUM MINIMUM NOT_EQUAL POW PRELU REVERSE_SEQUENCE REVERSE_V2 RFFT2D RIGHT_SHIFT SEGMENT_SUM SQUARED_DIFFERENCE
2 TILE TOPK_V2 TRANSPOSE
3 BATCH_TO_SPACE_ND CONV_3D DYNAMIC_UPDATE_SLICE HASHTABLE_LOOKUP RANGE SCATTER_ND SELECT SELECT_V2 SLICE
3 SPACE_TO_BATCH_ND SPLIT_V UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM
4 ONE_HOT SPARSE_TO_DENSE
"""
# Operators whose first output has the type of their first input.
_SAME_TYPE_NAMES = """
ABS ADD_N BATCH_TO_SPACE_ND BITWISE_XOR BROADCAST_TO CEIL COS CUMSUM DYNAMIC_UPDATE_SLICE ELU EXP EXPAND_DIMS
FAKE_QUANT FLOOR FLOOR_DIV FLOOR_MOD GATHER GATHER_ND GELU L2_NORMALIZATION LOCAL_RESPONSE_NORMALIZATION LOG
LOG_SOFTMAX MATRIX_DIAG MATRIX_SET_DIAG MAXIMUM MINIMUM NEG PACK POW PRELU REVERSE_SEQUENCE REVERSE_V2 RIGHT_SHIFT
ROUND RSQRT SEGMENT_SUM SIGN SIN SLICE SPACE_TO_BATCH_ND SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE TILE TOPK_V2
TRANSPOSE UNIQUE UNPACK ZEROS_LIKE
"""
_SAME_TYPE = frozenset(_SAME_TYPE_NAMES.split())
_BOOLEAN = frozenset(
    ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL", "LOGICAL_AND", "LOGICAL_OR", "LOGICAL_NOT")
)
_RESOURCE = frozenset(("READ_VARIABLE", "ASSIGN_VARIABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE"))
# All other kernels follow an input that was left out.
_MAY_OMIT = frozenset(
    (
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "TRANSPOSE_CONV",
        "FULLY_CONNECTED",
        "CONV_3D",
        "CONV_3D_TRANSPOSE",
        "SVDF",
        "LSTM",
    )
)
_LEAST = {name: int(line[0]) for line in _LEAST_INPUTS.split("\n") for name in line[2:].split()}


class _Rule(NamedTuple):
    options: str
    """Name of the options table the operator carries; empty when it may carry any."""
    required: bool
    """Whether the kernel misbehaves without that table."""
    inputs: tuple[int, int]
    """Least and largest number of inputs; those up to the least may not be left out."""
    check: Callable[[Operator], None]


def check_operator(operator: Operator) -> None:
    """Prove one operator safe to prepare and run.

    Raises:
        ModelFault: options or tensors that a kernel would not survive.
    """
    may_omit = operator.name in _MAY_OMIT or operator.name.startswith(("UNIDIRECTIONAL", "BIDIRECTIONAL", "CUSTOM:"))
    need(may_omit or None not in operator.inputs, f"{operator.label()} lacks a required input")
    rule = _RULES.get(operator.name)
    if rule is None:
        _check_plain(operator)
        return
    _check_options(operator, rule)
    low, high = rule.inputs
    given = len(operator.inputs)
    need(low <= given <= high, f"{operator.label()} has {given} inputs, not {low} to {high}")
    need(None not in operator.inputs[:low], f"{operator.label()} lacks a required input")
    need(bool(operator.outputs), f"{operator.label()} has no output")
    for tensor in (*operator.inputs, *operator.outputs):
        if tensor is not None:
            _check_scales(operator, tensor)
    rule.check(operator)


def _check_plain(operator: Operator) -> None:
    """What holds for an operator without a rule of its own."""
    least, given = _LEAST.get(operator.name, 0), len(operator.inputs)
    need(given >= least, f"{operator.label()} has {given} inputs, not {least} or more")
    source = operator.inputs[0] if given else None
    resource = operator.name not in _RESOURCE or (source is not None and source.dtype == "resource")
    need(resource, f"{operator.label()} works on something other than a resource")
    need(not least or bool(operator.outputs) or operator.name in _RESOURCE, f"{operator.label()} has no output")
    if source is None or not operator.outputs:
        return
    found = operator.outputs[0].dtype
    # Kernels set these types themselves, after the memory has been planned with the stored ones.
    wanted = source.dtype if operator.name in _SAME_TYPE else "bool" if operator.name in _BOOLEAN else found
    need(found == wanted, f"{operator.label()} yields {wanted} but {operator.outputs[0].label()} is {found}")
    if operator.name == "FAKE_QUANT":
        need(source.dtype == found == "float32", f"{operator.label()} works on {source.dtype}")


def _check_options(operator: Operator, rule: _Rule) -> None:
    options = operator.options
    if options is None:
        absent = operator.options_code == 0 and not rule.required
        need(absent, f"{operator.label()} lacks its {rule.options or 'options'}")
        return
    need(options.name == rule.options, f"{operator.label()} carries {options.name} instead of {rule.options or 'none'}")
    if "fused_activation_function" in options.values:
        activation = options.integer("fused_activation_function")
        need(activation in _ACTIVATIONS, f"{operator.label()} has the unknown activation {activation}")


def _check_scales(operator: Operator, tensor: Tensor) -> None:
    """A quantized tensor's scales are numbers that a fixed-point multiplier can express."""
    if len(tensor.scale):
        sane = bool(np.all(tensor.scale > 1e-30) and np.all(tensor.scale < 1e30))
        # Converters write scale 0 for channels whose weights are all zero, which kernels take.
        weights = tensor.data is not None and bool(np.all((tensor.scale >= 0) & (tensor.scale < 1e30)))
        need_usual(sane or weights, f"{operator.label()}: {tensor.label()} has an unusable quantization scale")


_RULES: dict[str, _Rule] = {
    "CONV_2D": _Rule("Conv2DOptions", True, (2, 3), kernels.check_convolution),
    "DEPTHWISE_CONV_2D": _Rule("DepthwiseConv2DOptions", True, (3, 3), kernels.check_depthwise),
    "TRANSPOSE_CONV": _Rule("TransposeConvOptions", True, (3, 4), kernels.check_transposed_convolution),
    "FULLY_CONNECTED": _Rule("FullyConnectedOptions", True, (2, 3), kernels.check_dense),
    "SOFTMAX": _Rule("SoftmaxOptions", True, (1, 1), kernels.check_softmax),
    "CONCATENATION": _Rule("ConcatenationOptions", True, (1, 10_000), kernels.check_concatenate),
    "RESHAPE": _Rule("ReshapeOptions", False, (1, 2), kernels.check_reshape),
    "PAD": _Rule("PadOptions", False, (2, 2), kernels.check_pad),
    "PADV2": _Rule("PadV2Options", False, (3, 3), kernels.check_pad),
    "MIRROR_PAD": _Rule("MirrorPadOptions", True, (2, 2), kernels.check_pad),
    "QUANTIZE": _Rule("QuantizeOptions", False, (1, 1), kernels.check_quantize),
    "DEQUANTIZE": _Rule("DequantizeOptions", False, (1, 1), kernels.check_dequantize),
    "SPACE_TO_DEPTH": _Rule("SpaceToDepthOptions", True, (1, 1), kernels.check_blocks),
    "DEPTH_TO_SPACE": _Rule("DepthToSpaceOptions", True, (1, 1), kernels.check_blocks),
    "SPLIT": _Rule("SplitOptions", True, (2, 2), kernels.check_split),
    "STRIDED_SLICE": _Rule("StridedSliceOptions", True, (4, 5), kernels.check_strided_slice),
    "RESIZE_BILINEAR": _Rule("ResizeBilinearOptions", True, (2, 2), kernels.check_resize),
    "RESIZE_NEAREST_NEIGHBOR": _Rule("ResizeNearestNeighborOptions", True, (2, 2), kernels.check_resize),
    **{
        name: _Rule("Pool2DOptions", True, (1, 1), kernels.check_pool)
        for name in ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D")
    },
    **{
        name: _Rule("ReducerOptions", True, (2, 2), kernels.check_reduce)
        for name in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL")
    },
    **{
        name: _Rule(f"{name.title()}Options", name != "SUB", (2, 2), kernels.check_broadcast)
        for name in ("ADD", "SUB", "MUL", "DIV")
    },
    **{
        name: _Rule("", False, (1, 1), kernels.check_unary)
        for name in ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LOGISTIC", "TANH")
    },
    "HARD_SWISH": _Rule("HardSwishOptions", False, (1, 1), kernels.check_unary),
    "LEAKY_RELU": _Rule("LeakyReluOptions", True, (1, 1), kernels.check_unary),
}
