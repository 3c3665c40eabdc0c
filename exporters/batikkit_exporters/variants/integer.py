"""int8 and int16x8: integer arithmetic by batikkit's own quantizer, or TensorFlow's converter where that gives up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batikkit_exporters.variants.variant import Advance, Made, Order, Promise, Variant

if TYPE_CHECKING:
    from batikkit_exporters.variants.materials import Materials


def _int8(materials: Materials, order: Order, _advance: Advance) -> Made:
    from batikkit_exporters.convert import convert
    from batikkit_exporters.network.network import UnsupportedOperatorError
    from batikkit_exporters.quantization.quantize import quantize

    try:
        grids, rounded = materials.grids(), materials.rounded()
    except UnsupportedOperatorError as error:
        content = convert(
            materials.graph(), "int8", "int8", images=materials.calibration_images, io=order.io, compat=order.compat
        )
        return Made(content, f"TensorFlow's converter, min-max ranges, since {error}")
    content = quantize(rounded.network, grids, scales=rounded.scales, io=order.io)
    return Made(content, "least-error ranges, second-order rounding, corrected biases")


def _int16x8(materials: Materials, _order: Order, _advance: Advance) -> Made:
    from batikkit_exporters.quantization.quantize import quantize
    from batikkit_exporters.quantization.rounding import round_weights

    grids = materials.grids(wide=True)
    rounded = round_weights(materials.unjoined(), grids, materials.rounding_photographs())
    content = quantize(rounded.network, grids, scales=rounded.scales)
    return Made(content, "16-bit activations over the whole range, second-order rounding, corrected biases")


INT8 = Variant(
    "int8",
    "Integer kernels, uint8 in, float32 scores out.",
    "A quarter of the size; fastest on ARM CPUs and required by DSPs and NPUs; little or no gain on x86.",
    Promise(agreement=0.9),
    _int8,
    activations="int8",
    integer=True,
    calibrated=True,
    apart=True,
    default=True,
)
INT16X8 = Variant(
    "int16x8",
    "int8 weights, 16-bit activations.",
    "int8 weights with 16-bit activations, for NPUs and DSPs that want them; reference kernels on a CPU, a "
    "hundred times slower than int8.",
    Promise(agreement=0.95, images=64),
    _int16x8,
    activations="int16",
    integer=True,
    calibrated=True,
    apart=True,
)
