"""Reads MobileNet v1 from TensorFlow's archives of 2017; the layers are recognised by the structure of the frozen graph.

The archives contain `frozen_graph.pb` (batch normalisation as separate operations) and `quantized_graph.pb` (folded
normalisation; large weights stored as uint8 with a range). Paper: Howard et al., "MobileNets" (arXiv 1704.04861). The features
are the average-pooled values before the classifier, not the 1,001 logits that the original used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError
from retrain.backbones import weights
from retrain.backbones.family import Family
from retrain.backbones.frozen_graph import Forms
from retrain.backbones.model_folder import FoundWeights, ModelFolder
from retrain.backbones.network_layers import INPUT, Conv, LayeredNetwork, Norm
from retrain.backbones.own_layers import forms_of, trainable_layers
from retrain.backbones.table import Architecture
from retrain.backbones.trainable import Building, Trainable
from retrain.formats.graph_def import node_name, parse_graph, values_of

WIDTHS = ("1.0", "0.75", "0.50", "0.25")
SIZES_PX = (224, 192, 160, 128)
_ARCHIVES = "https://storage.googleapis.com/download.tensorflow.org/models"
# Digests of known archives; an archive without a digest must at least be complete and contain the right network.
_ARCHIVE_SHA256 = {
    "mobilenet_v1_0.25_128": "30af63cf9039861bc03f86c7b8092fab754d51b27f042830c456ddbfa2b72fce",
    "mobilenet_v1_0.25_224": "1cddeede49eb35af36061aaa66bf643b81f7ea89abc85f6ffef8f0bf00891756",
}
_POOL = "MobilenetV1/Logits/AvgPool_1a/AvgPool"
_CLASSIFIER = "MobilenetV1/Logits/Conv2d_1c_1x1"
_FOLDABLE = {
    "Identity": lambda x: x,
    "Add": np.add,
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Rsqrt": lambda x: 1 / np.sqrt(x),
}


def to_network(graph: Any, size_px: int) -> LayeredNetwork:
    """Reads the network from a GraphDef.

    Args:
      graph: a frozen MobileNet v1 with its ImageNet head.
      size_px: rows and columns of its input.

    Raises:
      RunError: the graph has another structure.
    """
    reader = _Reader(graph)
    layers: list[Conv] = []
    try:
        name = node_name(reader.node(_POOL).input[0])
        while name != INPUT:
            layer, name = reader.conv(name)
            layers.append(layer)
            if len(layers) > len(graph.node):
                raise ValueError("its layers form a cycle")
        kernel = reader.value(reader.node(f"{_CLASSIFIER}/convolution", f"{_CLASSIFIER}/Conv2D").input[1])
        biases = reader.value(reader.node(f"{_CLASSIFIER}/BiasAdd").input[1])
        return LayeredNetwork(size_px, tuple(reversed(layers)), (kernel[0, 0], biases))
    except (ValueError, IndexError, RecursionError) as error:
        raise RunError(f"cannot read the graph: {error}; is it a frozen MobileNet v1?") from None


class _Reader:
    """Finds nodes by name; raises ValueError if the graph has another structure."""

    def __init__(self, graph: Any) -> None:
        self._nodes = {node.name: node for node in graph.node}

    def node(self, *names: str) -> Any:
        """Returns the first of these nodes that exists."""
        found = next((self._nodes[name] for name in names if name in self._nodes), None)
        if found is None:
            raise ValueError(f"no operation {names[0]}")
        return found

    def conv(self, relu: str) -> tuple[Conv, str]:
        """Returns the layer that ends in the ReLU6 `relu`, and the name of its input."""
        top = self.node(relu)
        if top.op != "Relu6":
            raise ValueError(f"{relu} is {top.op}, not Relu6")
        below, shift = self._with_constant(top.input[0], ("Add", "AddV2", "BiasAdd"))
        scale = None
        if self.node(below).op == "Mul":
            below, scale = self._with_constant(below, ("Mul",))
        node = self.node(below)
        if node.op not in ("Conv2D", "DepthwiseConv2dNative") or node.attr["padding"].s != b"SAME":
            raise ValueError(f"{below} is {node.op}, not a convolution")
        source = node_name(node.input[0])
        one, zero = np.ones_like(shift), np.zeros_like(shift)
        norm = Norm(one if scale is None else scale, shift, zero, one, 0.0)
        taken = source if self.node(source).op != "Placeholder" else INPUT
        stride = int(node.attr["strides"].list.i[1])
        kernel = self.value(node.input[1])
        return Conv(_layer_name(relu), _layer_name(taken), kernel, norm, stride, True, node.op != "Conv2D"), taken

    def _with_constant(self, name: str, ops: tuple[str, ...]) -> tuple[str, npt.NDArray[np.float32]]:
        """Reads an operation on a tensor and a constant: returns (the tensor's node, the constant)."""
        node = self.node(node_name(name))
        if node.op not in ops:
            raise ValueError(f"{node.name} is {node.op}, not {' or '.join(ops)}")
        return node_name(node.input[0]), self.value(node.input[1])

    def value(self, name: str) -> npt.NDArray[np.float32]:
        """Computes the value of an operation that depends only on constants."""
        node = self.node(node_name(name))
        if node.op == "Const":
            return np.asarray(values_of(node), np.float32)
        if node.op == "Dequantize":
            return self._dequantized(node)
        if node.op not in _FOLDABLE:
            raise ValueError(f"{node.name} is {node.op}, not a constant")
        result = _FOLDABLE[node.op](*(self.value(source) for source in node.input))  # type: ignore[operator]
        return np.asarray(result, np.float32)

    def _dequantized(self, node: Any) -> npt.NDArray[np.float32]:
        """Converts uint8 with a range to float32, with TensorFlow's rounding in the two modes used for weights."""
        packed = self.node(node_name(node.input[0])).attr["value"].tensor
        shape = [dim.size for dim in packed.tensor_shape.dim]
        quantized = np.frombuffer(packed.tensor_content, np.uint8).reshape(shape).astype(np.float32)
        low, high = (np.float32(self.value(name)) for name in node.input[1:3])
        step = np.float32((high - low) / 255.0)
        if node.attr["mode"].s == b"MIN_FIRST" and step:  # zero is one of the 256 levels
            low = np.float32(np.round(low / step)) * step
        return quantized * step + low


def _layer_name(name: str) -> str:
    return name.removesuffix("/Relu6").rsplit("/", 1)[-1]


def _architecture(width: str, size_px: int, *, quantized: bool) -> Architecture:
    stem = f"mobilenet_v1_{width}_{size_px}"
    return Architecture(
        f"mobilenet_{width}_{size_px}{'_quantized' if quantized else ''}",
        __name__,
        size_px,
        (127.5,),
        (127.5,),
        sha256=_ARCHIVE_SHA256.get(stem),
        url=f"{_ARCHIVES}/{stem}_frozen.tgz",
        member="quantized_graph.pb" if quantized else "frozen_graph.pb",
    )


def _to_layers(row: Architecture, found: FoundWeights) -> LayeredNetwork:
    return to_network(parse_graph(found.data, str(found.path)), row.size_px)


def _convert(row: Architecture, found: FoundWeights, folder: ModelFolder, say: Callable[[str], None]) -> Forms:  # noqa: ARG001
    return forms_of(row, _to_layers(row, found))


def _trainable(row: Architecture, building: Building, folder: ModelFolder) -> Trainable:
    return trainable_layers(row, _to_layers(row, weights.from_archive(row, folder)), building)


FAMILY = Family(
    architectures=tuple(
        _architecture(width, size_px, quantized=quantized)
        for quantized in (False, True)
        for width in WIDTHS
        for size_px in SIZES_PX
    ),
    find=weights.from_archive,
    convert=_convert,
    make_trainable=_trainable,
    to_layers=_to_layers,
)
