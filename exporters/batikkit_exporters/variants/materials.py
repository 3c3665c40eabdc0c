"""What variants are made from: each thing is made once for all of them, and lies in a folder that builders read too."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import VerificationError

if TYPE_CHECKING:
    from batikkit_exporters.network.network import Network
    from batikkit_exporters.quantization.grid import Grid
    from batikkit_exporters.quantization.observation import Observed
    from batikkit_exporters.quantization.rounding import Rounded

Pixels = NDArray[np.uint8]
_T = TypeVar("_T")


class Materials:
    """The folder and what is in it; what is not there yet is made from the rest when it is first asked for.

    The exporting process puts in the frozen graph and the pixels (`put_graph`, `put_pixels`), the rest follows.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put_graph(self, frozen: Any) -> None:
        """Takes the `tf.ConcreteFunction` without variables that all files are made from."""
        (self.folder / "graph.pb").write_bytes(frozen.graph.as_graph_def().SerializeToString())
        self.__dict__["_graph"] = frozen

    def put_pixels(self, name: str, pixels: Pixels) -> None:
        """Takes `calibration` (the anchors last) or `train`, uint8 [N, S, S, 3]."""
        with (self.folder / f"{name}.npy").open("wb") as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": pixels.shape}
            np.lib.format.write_array_header_1_0(stream, header)
            stream.write(np.ascontiguousarray(pixels).data)  # `np.save` does not say when a disk is full

    def graph(self) -> Any:
        """The frozen graph as a concrete function, float32 [1, S, S, 3] -> float32 [1, C]."""
        return self._graph

    @functools.cached_property
    def _graph(self) -> Any:
        return load_graph(self.folder / "graph.pb")

    def float32(self) -> bytes:
        """The float32 file as the converter makes it, without metadata."""

        def make() -> bytes:
            from batikkit_exporters.convert import convert

            return convert(self.graph())

        return self._once("float32", make)

    def network(self) -> Network:
        """The float32 file as values.

        Raises:
            UnsupportedOperatorError: it has an operator that batikkit cannot rehearse.
        """
        return self._network

    @functools.cached_property
    def _network(self) -> Network:
        from batikkit_exporters.network.operators import check_supported
        from batikkit_exporters.network.read import read_network

        network = read_network(self.float32(), name="the float32 file")
        check_supported(network)
        return network

    def unjoined(self) -> Network:
        """The same, as it is quantized: no dense layer reads what is joined for it alone.

        Raises:
            UnsupportedOperatorError: it has an operator that batikkit cannot rehearse.
        """
        from batikkit_exporters.quantization.unjoin import unjoin

        return unjoin(self.network())

    def calibration(self) -> Pixels:
        """Calibration photographs, then the all-0 and the all-255 anchor: uint8 [N + 2, S, S, 3]."""
        return np.load(self.folder / "calibration.npy", mmap_mode="r")  # type: ignore[no-any-return]

    def calibration_images(self) -> Iterator[NDArray[np.float32]]:
        """The same, one float32 [1, S, S, 3] after the other."""
        return (image[None].astype(np.float32) for image in self.calibration())

    def rounding_photographs(self) -> Pixels:
        """Those by which weights are rounded."""
        from batikkit_exporters.quantization.rounding import ROUNDING_IMAGES

        return np.asarray(self.calibration()[:ROUNDING_IMAGES])

    def train(self) -> Pixels:
        """All photographs of the train split, uint8 [N, S, S, 3]."""
        return np.load(self.folder / "train.npy", mmap_mode="r")  # type: ignore[no-any-return]

    def observed(self) -> dict[int, Observed]:
        """What the calibration photographs, without the anchors, were seen to do in `unjoined`."""
        from batikkit_exporters.quantization.observation import observe

        network = self.unjoined()
        return self._once("observed", lambda: observe(network, self.calibration()[:-2]))

    def grids(self, *, wide: bool = False) -> dict[int, Grid]:
        """Grids of least error for all tensors; wide ones have 16 bits."""
        from batikkit_exporters.quantization.ranges import lay_grids

        network = self.unjoined()
        widened = frozenset(node.outputs[0] for node in network.nodes) if wide else frozenset()
        return lay_grids(network, self.observed(), method="mse", wide=widened)

    def rounded(self) -> Rounded:
        """The network with weights rounded for 8-bit grids."""
        from batikkit_exporters.quantization.rounding import round_weights

        return self._once("rounded", lambda: round_weights(self.unjoined(), self.grids(), self.rounding_photographs()))

    def _once(self, name: str, make: Callable[[], _T]) -> _T:
        """What lies under that name, made and kept first if it is not there yet."""
        path = self.folder / f"{name}.pkl"
        if not path.is_file():
            temporary = path.with_suffix(".new")  # whoever sees the name sees all of it
            temporary.write_bytes(pickle.dumps(make()))
            temporary.replace(path)
        found: _T = pickle.loads(path.read_bytes())
        return found


def load_graph(path: Path) -> Any:
    """The concrete function whose definition a file holds.

    Raises:
        VerificationError: the graph has another number of inputs or outputs than one.
    """
    from batikkit.network.keras_backend import tf

    definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    sources = [node.name for node in definition.node if node.op == "Placeholder"]
    results = [node.name for node in definition.node if node.op == "Identity" and node.name.startswith("Identity")]
    if len(sources) != 1 or not results:
        raise VerificationError(f"the frozen graph has inputs {sources} and outputs {results}: one of each is needed")
    wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(definition, name=""), [])
    return wrapped.prune(
        wrapped.graph.as_graph_element(f"{sources[0]}:0"), wrapped.graph.as_graph_element("Identity:0")
    )
