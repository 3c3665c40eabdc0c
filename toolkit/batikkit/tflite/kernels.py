"""What the kernels of convolutional classifiers take for granted, checked operator by operator.

Every function gets an operator with its required inputs present and its options table of the right kind, and raises
`ModelFault` for what the native kernel would not survive: divisions by zero, windows beyond the image, lengths that do
not match. Shapes are inferred and compared with the stored ones where nothing is declared dynamic.
"""

from __future__ import annotations

import numpy as np

from batikkit.tflite.graph import Operator, Tensor, need, need_usual

_MAX_STEP = 4096
_INTEGERS = ("int8", "uint8", "int16")
Shape = tuple[int, ...]


def _input(operator: Operator, position: int) -> Tensor:
    tensor = operator.inputs[position]
    need(tensor is not None, f"{operator.label()} lacks input {position}")
    assert tensor is not None
    return tensor


def _optional(operator: Operator, position: int) -> Tensor | None:
    return operator.inputs[position] if position < len(operator.inputs) else None


def _rank(operator: Operator, tensor: Tensor, *ranks: int) -> None:
    need(len(tensor.shape) in ranks, f"{operator.label()}: {tensor.label()} has the shape {tensor.shape}")
    need(tensor.elements > 0, f"{operator.label()}: {tensor.label()} is empty")


def _types(operator: Operator, *combinations: str) -> None:
    """The dtypes of inputs and outputs together are one of the combinations, `-` matching a missing input."""
    found = [tensor.dtype if tensor else "-" for tensor in (*operator.inputs, *operator.outputs)]
    for combination in combinations:
        words = combination.split()
        if len(words) == len(found) and all(
            have == "-" or have in want.split("|") for have, want in zip(found, words, strict=True)
        ):
            return
    need_usual(False, f"{operator.label()} cannot work on {', '.join(found)}")


def _quantized(operator: Operator, *tensors: Tensor) -> None:
    """Integer tensors of arithmetic kernels carry exactly one scale and zero point."""
    for tensor in tensors:
        if tensor.dtype in _INTEGERS:
            exact = len(tensor.scale) == 1 and len(tensor.zero_point) == 1
            need(exact, f"{operator.label()}: {tensor.label()} has no quantization")


def _shape(operator: Operator, expected: Shape) -> None:
    """The first output has the inferred shape, unless something about it is dynamic."""
    output = operator.outputs[0]
    static = output.static and all(tensor is None or tensor.static for tensor in operator.inputs)
    same = not static or output.shape == expected
    need(same, f"{operator.label()} yields {expected} but {output.label()} has the shape {output.shape}")


def _positive(operator: Operator, *names: str) -> list[int]:
    assert operator.options is not None
    values = [operator.options.integer(name) for name in names]
    for name, value in zip(names, values, strict=True):
        need(0 < value <= _MAX_STEP, f"{operator.label()} has {name} {value}")
    return values


def _window(operator: Operator, image: Shape, kernel: Shape, dilation: Shape = (1, 1)) -> Shape:
    """Height and width after a sliding window (the runtime's `ComputeOutSize`)."""
    assert operator.options is not None
    padding = operator.options.integer("padding")
    need(padding in (0, 1), f"{operator.label()} has the unknown padding {padding}")
    stride = _positive(operator, "stride_h", "stride_w")
    sizes = []
    for length, taps, step, gap in zip(image, kernel, stride, dilation, strict=True):
        reach = (taps - 1) * gap + 1
        sizes.append((length + step - 1) // step if padding == 0 else (length + step - reach) // step)
    fits = min(sizes) > 0 or not _input(operator, 0).static
    need(fits, f"{operator.label()} has a window of {kernel} larger than its image {image}")
    return tuple(sizes)


def _weights(operator: Operator, *, axis: int, channels: int) -> None:
    """Inputs, weights and bias of a convolution or dense layer agree in type, length and quantization."""
    source, weights, bias = _input(operator, 0), _input(operator, 1), _optional(operator, 2)
    extra = " float32" if len(operator.inputs) > 2 else ""
    integer = " int32" if len(operator.inputs) > 2 else ""
    wide = " int64|int32" if len(operator.inputs) > 2 else ""
    _types(
        operator,
        f"float32 float32|float16|int8|uint8|int4|int2{extra} float32",
        f"uint8 uint8{integer} uint8",
        f"int8 int8|int4|int2{integer} int8|int16",
        f"uint8 uint8{integer} int16",
        f"int16 int8|int4|int16{wide} int16",
    )
    if bias is not None:
        need(bias.elements == channels, f"{operator.label()} has {bias.elements} biases for {channels} channels")
    _quantized(operator, source, operator.outputs[0])
    if weights.dtype in ("int8", "uint8", "int4", "int2"):
        count = len(weights.scale)
        per_channel = count == channels and (weights.axis == axis or count == 1)
        need(count == 1 or per_channel, f"{operator.label()}: {weights.label()} has {count} scales")
        need(len(weights.zero_point) == count, f"{operator.label()}: {weights.label()} has too few zero points")
        if source.dtype in _INTEGERS:
            _requantization(operator, source, weights)


def _requantization(operator: Operator, source: Tensor, weights: Tensor) -> None:
    """XNNPACK takes ratios below 256 only, and frees memory twice (LiteRT 2.3) when it has to turn one down."""
    ratio = source.scale.astype(np.float64) * weights.scale / operator.outputs[0].scale
    need(bool(np.all(ratio < 256)), f"{operator.label()}: {weights.label()} has a scale far above its output's")


def check_convolution(operator: Operator) -> None:
    """CONV_2D, grouped ones included."""
    image, kernel = _input(operator, 0), _input(operator, 1)
    _rank(operator, image, 4)
    _rank(operator, kernel, 4)
    dilation = _positive(operator, "dilation_h_factor", "dilation_w_factor")
    need(image.shape[3] % kernel.shape[3] == 0, f"{operator.label()} cannot group {image.shape} by {kernel.shape}")
    groups = image.shape[3] // kernel.shape[3]
    need(kernel.shape[0] % groups == 0, f"{operator.label()} has {kernel.shape[0]} filters for {groups} groups")
    size = _window(operator, image.shape[1:3], kernel.shape[1:3], tuple(dilation))
    _weights(operator, axis=0, channels=kernel.shape[0])
    _shape(operator, (image.shape[0], *size, kernel.shape[0]))


def check_depthwise(operator: Operator) -> None:
    """DEPTHWISE_CONV_2D."""
    image, kernel = _input(operator, 0), _input(operator, 1)
    _rank(operator, image, 4)
    _rank(operator, kernel, 4)
    dilation = _positive(operator, "dilation_h_factor", "dilation_w_factor")
    need(kernel.shape[0] == 1, f"{operator.label()} has the kernel shape {kernel.shape}")
    channels = kernel.shape[3]
    assert operator.options is not None
    multiplier = operator.options.integer("depth_multiplier")
    fits = channels == image.shape[3] * multiplier or (multiplier == 0 and channels % image.shape[3] == 0)
    need(fits, f"{operator.label()} turns {image.shape[3]} into {channels} channels with multiplier {multiplier}")
    size = _window(operator, image.shape[1:3], kernel.shape[1:3], tuple(dilation))
    _weights(operator, axis=3, channels=channels)
    _shape(operator, (image.shape[0], *size, channels))


def check_pool(operator: Operator) -> None:
    """AVERAGE_POOL_2D, MAX_POOL_2D, L2_POOL_2D."""
    image = _input(operator, 0)
    _rank(operator, image, 4)
    kernel = _positive(operator, "filter_height", "filter_width")
    size = _window(operator, image.shape[1:3], tuple(kernel))
    need(image.dtype == operator.outputs[0].dtype, f"{operator.label()} changes the type")
    _quantized(operator, image, operator.outputs[0])
    _shape(operator, (image.shape[0], *size, image.shape[3]))


def check_dense(operator: Operator) -> None:
    """FULLY_CONNECTED."""
    source, weights = _input(operator, 0), _input(operator, 1)
    _rank(operator, weights, 2)
    need(source.elements > 0, f"{operator.label()}: {source.label()} is empty")
    units, depth = weights.shape
    rows = source.elements % depth == 0 or not source.static
    need(rows, f"{operator.label()} cannot cut {source.shape} into rows of {depth}")
    assert operator.options is not None
    need(operator.options.integer("weights_format") in (0, 1), f"{operator.label()} has an unknown weights format")
    _weights(operator, axis=0, channels=units)
    if operator.options.integer("keep_num_dims"):
        need(
            source.shape[-1:] == (depth,) or not source.static,
            f"{operator.label()} has rows of {source.shape[-1:]}, not {depth}",
        )
        _shape(operator, (*source.shape[:-1], units))
    else:
        _shape(operator, (source.elements // depth, units))


def check_broadcast(operator: Operator) -> None:
    """ADD, SUB, MUL, DIV."""
    left, right, output = _input(operator, 0), _input(operator, 1), operator.outputs[0]
    need_usual(left.dtype == right.dtype == output.dtype, f"{operator.label()} mixes types")
    _quantized(operator, left, right, output)
    try:
        shape = np.broadcast_shapes(left.shape, right.shape)
    except ValueError:
        shape = None
    combined = shape is not None or not (left.static and right.static)
    need(combined, f"{operator.label()} cannot combine {left.shape} with {right.shape}")
    if operator.name in ("ADD", "SUB") and left.dtype in _INTEGERS:
        # The kernel aborts unless 2 * max(scales) / (2^shift * output scale) is below 1.
        shift = 15 if left.dtype == "int16" else 20
        ratio = 2.0 * max(float(left.scale[0]), float(right.scale[0])) / (float(output.scale[0]) * 2.0**shift)
        need(ratio < 1, f"{operator.label()} has input scales far above its output scale")
    if shape is not None:
        _shape(operator, tuple(shape))


def check_reduce(operator: Operator) -> None:
    """MEAN, SUM and the other reductions."""
    source, axes = _input(operator, 0), _input(operator, 1)
    need(source.dtype == operator.outputs[0].dtype, f"{operator.label()} changes the type")
    need(axes.dtype == "int32", f"{operator.label()} has axes of type {axes.dtype}")
    need(operator.name == "REDUCE_ANY" or source.elements > 0, f"{operator.label()}: {source.label()} is empty")
    if operator.name in ("MEAN", "SUM"):
        _quantized(operator, source, operator.outputs[0])
    values = axes.values()
    if values is None:
        return
    rank = len(source.shape)
    need(bool(np.all((values >= -rank) & (values < rank))), f"{operator.label()} reduces an absent axis")
    reduced = {int(value) % rank for value in values}
    keep = operator.options is not None and operator.options.integer("keep_dims")
    shape = [1 if axis in reduced else size for axis, size in enumerate(source.shape) if keep or axis not in reduced]
    _shape(operator, tuple(shape))


def check_pad(operator: Operator) -> None:
    """PAD, PADV2, MIRROR_PAD."""
    source, paddings = _input(operator, 0), _input(operator, 1)
    need(source.dtype == operator.outputs[0].dtype, f"{operator.label()} changes the type")
    rank = len(source.shape)
    need(paddings.shape == (rank, 2), f"{operator.label()} pads {source.shape} with {paddings.shape}")
    values = paddings.values()
    if values is not None:
        need(bool(np.all((values >= 0) & (values <= _MAX_STEP))), f"{operator.label()} has an impossible padding")
        added = values.reshape(rank, 2).sum(axis=1)
        _shape(operator, tuple(size + int(extra) for size, extra in zip(source.shape, added, strict=True)))


def check_reshape(operator: Operator) -> None:
    """RESHAPE."""
    source, output = _input(operator, 0), operator.outputs[0]
    need(source.dtype == output.dtype, f"{operator.label()} changes the type")
    if source.static and output.static:
        same = source.elements == output.elements
        need(same, f"{operator.label()} cannot turn {source.shape} into {output.shape}")


def check_concatenate(operator: Operator) -> None:
    """CONCATENATION."""
    assert operator.options is not None
    tensors = [_input(operator, position) for position in range(len(operator.inputs))]
    rank, output = len(tensors[0].shape), operator.outputs[0]
    axis = operator.options.integer("axis")
    need(-rank <= axis < rank, f"{operator.label()} joins along the absent axis {axis}")
    axis %= rank
    shape = list(tensors[0].shape)
    for tensor in tensors[1:]:
        fits = len(tensor.shape) == rank and all(
            a == b for i, (a, b) in enumerate(zip(shape, tensor.shape, strict=False)) if i != axis
        )
        need(fits or not tensor.static, f"{operator.label()} cannot join {tuple(shape)} with {tensor.shape}")
    need_usual(all(t.dtype == output.dtype for t in tensors), f"{operator.label()} mixes types")
    _quantized(operator, *tensors, output)
    if all(tensor.static for tensor in tensors):
        shape[axis] = sum(tensor.shape[axis] for tensor in tensors)
        _shape(operator, tuple(shape))


def check_softmax(operator: Operator) -> None:
    """SOFTMAX."""
    source, output = _input(operator, 0), operator.outputs[0]
    assert operator.options is not None
    beta = operator.options.real("beta")
    need(bool(np.isfinite(beta)) and 0 < beta < 1e6, f"{operator.label()} has beta {beta}")
    need(1 <= len(source.shape) <= 4 and source.elements > 0, f"{operator.label()} has the shape {source.shape}")
    _types(operator, "float32 float32", "uint8 uint8|int16", "int8 int8|int16", "int16 int16")
    _quantized(operator, source, output)
    _shape(operator, source.shape)


def check_unary(operator: Operator) -> None:
    """Activations that keep shape and type."""
    source, output = _input(operator, 0), operator.outputs[0]
    need(source.dtype == output.dtype, f"{operator.label()} changes the type")
    _quantized(operator, source, output)
    _shape(operator, source.shape)


def check_quantize(operator: Operator) -> None:
    """QUANTIZE."""
    source, output = _input(operator, 0), operator.outputs[0]
    need(output.dtype in (*_INTEGERS, "int4", "int2", "int32"), f"{operator.label()} writes {output.dtype}")
    for tensor in (source, output):
        if tensor.dtype != "float32":
            need(len(tensor.scale) >= 1, f"{operator.label()}: {tensor.label()} has no quantization")
            need(len(tensor.zero_point) == len(tensor.scale), f"{operator.label()}: {tensor.label()} lacks zero points")
    _shape(operator, source.shape)


def check_dequantize(operator: Operator) -> None:
    """DEQUANTIZE."""
    source, output = _input(operator, 0), operator.outputs[0]
    need(output.dtype == "float32", f"{operator.label()} writes {output.dtype}")
    if source.dtype != "float16":
        need(len(source.scale) >= 1, f"{operator.label()}: {source.label()} has no quantization")
        need(len(source.zero_point) == len(source.scale), f"{operator.label()}: {source.label()} lacks zero points")
    _shape(operator, source.shape)


def check_blocks(operator: Operator) -> None:
    """SPACE_TO_DEPTH, DEPTH_TO_SPACE."""
    _rank(operator, _input(operator, 0), 4)
    _positive(operator, "block_size")


def check_transposed_convolution(operator: Operator) -> None:
    """TRANSPOSE_CONV."""
    _rank(operator, _input(operator, 2), 4)
    _rank(operator, _input(operator, 1), 4)
    _positive(operator, "stride_h", "stride_w")


def check_split(operator: Operator) -> None:
    """SPLIT."""
    parts = _positive(operator, "num_splits")[0]
    need(len(operator.outputs) == parts, f"{operator.label()} has {len(operator.outputs)} outputs for {parts} parts")


def check_strided_slice(operator: Operator) -> None:
    """STRIDED_SLICE."""
    strides = _input(operator, 3).values()
    need(strides is None or bool(np.all(strides != 0)), f"{operator.label()} has a stride of 0")


def check_resize(operator: Operator) -> None:
    """RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR."""
    _rank(operator, _input(operator, 0), 4)
    size = _input(operator, 1).values()
    sound = size is None or (len(size) == 2 and bool(np.all((size > 0) & (size <= 1 << 16))))
    need(sound, f"{operator.label()} has an impossible size")
