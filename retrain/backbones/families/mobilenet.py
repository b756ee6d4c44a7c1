"""MobileNet v1 of TensorFlow's 2017 archives: its layers are found by the shape of the frozen graph.

Reads the archives of 2017: `frozen_graph.pb` (batch normalisation as separate operations) and `quantized_graph.pb` (folded,
large weights stored as uint8 with a range). Paper: Howard et al., "MobileNets" (arXiv 1704.04861). Features are the pooled
ones before the classifier, not the 1,001 logits that the original used.
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
from retrain.backbones.model_folder import ModelFolder, Weights
from retrain.backbones.network_layers import INPUT, Conv, Network, Norm
from retrain.backbones.own_layers import forms_of, trainable_layers
from retrain.backbones.table import Architecture
from retrain.backbones.trainable import Building, Trainable
from retrain.formats.graph_def import node_name, parse_graph, values_of

WIDTHS = ("1.0", "0.75", "0.50", "0.25")
SIZES_PX = (224, 192, 160, 128)
_ARCHIVES = "https://storage.googleapis.com/download.tensorflow.org/models"
# Digests of archives that we have seen; where one is missing, the archive must at least be whole and of its form.
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


def to_network(graph: Any, size_px: int) -> Network:
    """Reads the network from a GraphDef.

    Args:
      graph: a frozen MobileNet v1 with its ImageNet head.
      size_px: rows and columns of its input.

    Raises:
      RunError: if the graph is built otherwise.
    """
    reader = _Reader(graph)
    layers: list[Conv] = []
    try:
        name = node_name(reader.node(_POOL).input[0])
        while name != INPUT:
            layer, name = reader.conv(name)
            layers.append(layer)
            if len(layers) > len(graph.node):
                raise ValueError("its layers go round in a circle")
        kernel = reader.value(reader.node(f"{_CLASSIFIER}/convolution", f"{_CLASSIFIER}/Conv2D").input[1])
        biases = reader.value(reader.node(f"{_CLASSIFIER}/BiasAdd").input[1])
        return Network(size_px, tuple(reversed(layers)), (kernel[0, 0], biases))
    except (ValueError, IndexError, RecursionError) as error:
        raise RunError(f"cannot read the graph: {error}; is it a frozen MobileNet v1?") from None


class _Reader:
    """Nodes by name; ValueError where the graph is not built as expected."""

    def __init__(self, graph: Any) -> None:
        self._nodes = {node.name: node for node in graph.node}

    def node(self, *names: str) -> Any:
        """The first of these that is there."""
        found = next((self._nodes[name] for name in names if name in self._nodes), None)
        if found is None:
            raise ValueError(f"no operation {names[0]}")
        return found

    def conv(self, relu: str) -> tuple[Conv, str]:
        """The layer that ends in the ReLU6 `relu`, and the name of what it takes."""
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
        """An operation of a tensor and a constant -> (the tensor's node, the constant)."""
        node = self.node(node_name(name))
        if node.op not in ops:
            raise ValueError(f"{node.name} is {node.op}, not {' or '.join(ops)}")
        return node_name(node.input[0]), self.value(node.input[1])

    def value(self, name: str) -> npt.NDArray[np.float32]:
        """The value of an operation that depends on constants alone."""
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
        """uint8 with a range -> float32, with TensorFlow's own rounding in its two modes for weights."""
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


def _to_layers(row: Architecture, found: Weights) -> Network:
    return to_network(parse_graph(found.data, str(found.path)), row.size_px)


def _convert(row: Architecture, found: Weights, folder: ModelFolder, say: Callable[[str], None]) -> Forms:  # noqa: ARG001
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
