"""int8-qat, pruned and clustered: weights that are fine-tuned for the way they are stored, to answer as before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batikkit_exporters.variants.variant import Advance, Made, Order, Promise, Variant

if TYPE_CHECKING:
    from batikkit_exporters.network.network import Network
    from batikkit_exporters.quantization.distill import Parameters
    from batikkit_exporters.quantization.grid import Grid
    from batikkit_exporters.variants.materials import Materials

# Rounding moves weights little; pruning and clustering leave more to make good.
EPOCHS = {"int8-qat": 3, "pruned": 8, "clustered": 8}
RATES = {"int8-qat": 1e-5, "pruned": 1e-4, "clustered": 1e-4}


def _int8_qat(materials: Materials, order: Order, advance: Advance) -> Made:
    from batikkit_exporters.quantization.distill import RoundedWeights
    from batikkit_exporters.quantization.quantize import quantize

    grids, rounded = materials.grids(), materials.rounded()
    training = Training("int8-qat", materials, order, advance)
    trained = training.distilled(rounded.network, RoundedWeights(rounded), grids=grids)
    return Made(quantize(trained, grids, scales=rounded.scales, io=order.io), training.method())


def _pruned(materials: Materials, order: Order, advance: Advance) -> Made:
    from batikkit_exporters.network.write import write_network
    from batikkit_exporters.quantization.compression import SPARSITY, PrunedWeights, prune

    start = prune(materials.network(), materials.rounding_photographs())
    training = Training("pruned", materials, order, advance)
    content = write_network(training.distilled(start, PrunedWeights(start)))
    return Made(content, f"{SPARSITY:.0%} of larger layers' weights zero, the others refitted, {training.method()}")


def _clustered(materials: Materials, order: Order, advance: Advance) -> Made:
    from batikkit_exporters.network.write import write_network
    from batikkit_exporters.quantization.compression import CLUSTERS, ClusteredWeights, cluster

    start = cluster(materials.network(), materials.rounding_photographs())
    training = Training("clustered", materials, order, advance)
    content = write_network(training.distilled(start, ClusteredWeights(start)))
    return Made(content, f"{CLUSTERS} values per larger layer, second-order rounding to them, {training.method()}")


@dataclass(frozen=True)
class Training:
    """The fine-tuning of one variant on the train split."""

    variant: str
    materials: Materials
    order: Order
    advance: Advance

    def distilled(self, start: Network, parameters: Parameters, *, grids: Mapping[int, Grid] | None = None) -> Network:
        """`start` with its parameters trained, rehearsing `grids` where there are any."""
        from batikkit_exporters.quantization.distill import distill

        return distill(
            start,
            parameters,
            teacher=self.materials.network(),
            images=self.materials.train(),
            grids=grids,
            epochs=EPOCHS[self.variant],
            learning_rate=RATES[self.variant],
            seed=self.order.seed,
            advance=self.advance,
        )

    def method(self) -> str:
        """In words."""
        return f"{EPOCHS[self.variant]} epochs of distillation from {RATES[self.variant]:g}"


INT8_QAT = Variant(
    "int8-qat",
    "int8, fine-tuned to answer as the original.",
    "int8 fine-tuned for some epochs to answer as the float network; for when int8 loses too much; minutes of "
    "training, same size and speed as int8.",
    Promise(agreement=0.9),
    _int8_qat,
    activations="int8",
    integer=True,
    calibrated=True,
    trained=True,
)
# Measured on 182 photographs: 82 and 91 % (docs/export.md); small sets give less.
PRUNED = Variant(
    "pruned",
    "Half the weights zero: a smaller download.",
    "Half of the larger layers' weights are zero: a smaller download (gzip), not a smaller or faster file.",
    Promise(agreement=0.7),
    _pruned,
    calibrated=True,
    trained=True,
    zipped=True,
)
CLUSTERED = Variant(
    "clustered",
    "32 values per layer: a smaller download.",
    "32 distinct values per larger layer: a much smaller download (gzip), not a smaller or faster file.",
    Promise(agreement=0.8),
    _clustered,
    calibrated=True,
    trained=True,
    zipped=True,
)
