"""A head and a headless GraphDef in, a frozen graph (`.pb`) that labels out, with the original's names; no TensorFlow.

The input keeps its name in the backbone's graph ("input", Inception's "Mul"), the new layer is called as the original
called it, and the scores are `--final_tensor_name`; so the original label_image runs the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.model_metadata import METADATA_KEY, Metadata
from retrain.exporters.stated import stated
from retrain.formats.graph_def import constant, new_graph, operation, parse_graph, values_of
from retrain.types import Backbone, Head

_LAYER = "final_training_ops"
_OPERATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}


@dataclass(frozen=True)
class _Node:
    """One node of the head: an operation on nodes before it, or a constant."""

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    values: npt.NDArray[np.float32] | None = None


def write(path: Path, head: Head, backbone: Backbone, metadata: Metadata) -> None:
    """Writes the classifier: float32 [n, height, width, 3], scaled -> float32 [n, classes].

    Messages of protobuf that stand behind each other are read as one: the file is the backbone's, byte for byte, and the
    head's nodes behind it.
    """
    graph = new_graph()
    for node in _nodes(head, backbone, metadata):
        if node.values is None:
            operation(graph, node.op, node.name, node.inputs)
        else:
            constant(graph, node.name, node.values)
    constant(graph, METADATA_KEY, stated(metadata))
    graph.ClearField("versions")  # the backbone's hold
    path.write_bytes(backbone.graph.read_bytes() + graph.SerializeToString(deterministic=True))


def same_but_for_head(path: Path, head: Head, backbone: Backbone, metadata: Metadata) -> bool:
    """Whether a written graph is, bit by bit, the backbone's graph with this head on it.

    Where TensorFlow has run this backbone with such a head once, and found it right, this shows that nothing else changed.
    """
    data, base = path.read_bytes(), backbone.graph.read_bytes()
    if not data.startswith(base):
        return False
    wanted = _nodes(head, backbone, metadata)
    names = [node.name for node in parse_graph(data, str(path)).node]
    added = {node.name: node for node in parse_graph(data[len(base) :], str(path)).node}
    return (
        len(set(names)) == len(names)
        and added.keys() == {METADATA_KEY, *(node.name for node in wanted)}
        and all(_is(added[node.name], node) for node in wanted)
    )


def _nodes(head: Head, backbone: Backbone, metadata: Metadata) -> list[_Node]:
    """The head, node by node; the original's names for its one layer."""
    nodes: list[_Node] = []
    flow = backbone.features_layer
    for number, layer in enumerate(head.hidden, 1):
        name = f"{_LAYER}/hidden_{number}"
        nodes += _dense(name, (f"{name}/weights", f"{name}/biases"), flow, (layer.weights, layer.biases))
        flow = f"{name}/{layer.activation}"
        nodes.append(_Node(flow, _OPERATIONS[layer.activation], (nodes[-1].name,)))
    names = (f"{_LAYER}/weights/final_weights", f"{_LAYER}/biases/final_biases")
    nodes += _dense(_LAYER, names, flow, (head.weights, head.biases))
    return [*nodes, _Node(metadata.output_layer, "Softmax", (nodes[-1].name,))]


def _dense(
    name: str, constants: tuple[str, str], flow: str, values: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
) -> list[_Node]:
    product, total = f"{name}/Wx_plus_b/MatMul", f"{name}/Wx_plus_b/add"
    return [
        _Node(constants[0], "Const", values=values[0]),
        _Node(constants[1], "Const", values=values[1]),
        _Node(product, "MatMul", (flow, constants[0])),
        _Node(total, "BiasAdd", (product, constants[1])),
    ]


def _is(node: Any, wanted: _Node) -> bool:
    """Whether a node of a graph is the one wanted, to the bit."""
    if wanted.values is not None:
        return node.op == "Const" and values_of(node).tobytes() == wanted.values.tobytes()
    return (node.op, tuple(node.input)) == (wanted.op, wanted.inputs)
