"""Writes a frozen graph (`.pb`) that labels, with the original's names; TensorFlow is needed to verify it, and only once a network.

The input keeps its name in the backbone's graph ("input", Inception's "Mul"), the new layer is called as the original
called it, and the scores are `--final_tensor_name`; so the original label_image runs the file.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.extras import install
from label_image.model_metadata import METADATA_KEY, Metadata
from label_image.quiet import has_tensorflow
from retrain.exporters.expected import Expected
from retrain.exporters.exporter import Exporter, Verified
from retrain.exporters.stated import stated
from retrain.exporters.tensorflow_missing import tensorflow_missing
from retrain.exporters.verified_graphs import VERIFIED
from retrain.features import library_versions
from retrain.files.atomic import replacing
from retrain.files.hashing import file_digest
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
    """Returns whether a written graph is bitwise identical to the graph of the backbone plus this head.

    Where TensorFlow has run this backbone with such a head once, and verified it, this shows that nothing else changed.
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
    """Lists the nodes of the head; the last layer has the names of the original."""
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
    """Returns whether a node is bitwise identical to the expected one."""
    if wanted.values is not None:
        return node.op == "Const" and values_of(node).tobytes() == wanted.values.tobytes()
    return (node.op, tuple(node.input)) == (wanted.op, wanted.inputs)


def known(path: Path, expected: Expected) -> Verified | None:
    """Returns the result of an earlier verification of this graph; None if the file has to be run."""
    before = verified_before(expected)
    if before is None or not same_but_for_head(path, expected.head, expected.backbone, expected.metadata):
        return None
    return before


def verified_before(expected: Expected) -> Verified | None:
    """Returns the result of an earlier verification, found by the graph of the backbone and the form of the head."""
    graph = file_digest(expected.backbone.graph)
    how = "identical to a graph that TensorFlow verified {}, plus this head"
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        found = json.loads(_results(expected.backbone).read_text("utf-8"))[_key(expected, graph)]
        return Verified(float(found), how.format("before"))
    difference = _known_difference(expected.head, graph)
    return None if difference is None else Verified(difference, how.format("in this program's own tests"))


def _known_difference(head: Head, graph: str) -> float | None:
    """Returns the difference that our own tests measured for a graph with one layer, by its digest; None if it is not in the list."""
    return None if head.hidden else VERIFIED.get(graph)


def missing(default: bool) -> str:
    """Returns which package is missing; the graph of the default network needs none, because it is compared bitwise."""
    return "" if default else tensorflow_missing()


def unverifiable(backbone: Backbone, head: Head) -> str:
    """Returns why this graph cannot be verified here; "" if it can."""
    if has_tensorflow() or _known_difference(head, file_digest(backbone.graph)) is not None:
        return ""
    return f"verifying it needs TensorFlow, which is not installed: {install('tensorflow')}"


def remember(expected: Expected, difference: float) -> None:
    """Stores the result of the verification for later runs."""
    with (
        contextlib.suppress(OSError),
        replacing(_results(expected.backbone)) as scratch,
    ):  # a read-only --model_dir: next time again
        key = _key(expected, file_digest(expected.backbone.graph))
        scratch.write_text(json.dumps({key: difference}), "utf-8")


def _results(backbone: Backbone) -> Path:
    return backbone.graph.with_name(f"{backbone.graph.name}.proof.json")  # the name that earlier versions gave it


def _key(expected: Expected, graph: str) -> str:
    """Makes the key of a verification: the version of TensorFlow, the digest of the graph and the form of the head."""
    return f"{library_versions.tensorflow()['TensorFlow']}/{graph}/{expected.form}"


EXPORTER = Exporter(write, missing=missing, unverifiable=unverifiable, known=known, remember=remember)
