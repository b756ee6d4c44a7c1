"""Writes a frozen graph (`.pb`) of the classifier, with the node names of the original; TensorFlow verifies it, once for each network.

The input keeps its name in the backbone's graph ("input"; for Inception, "Mul"), the new layer has the name that the original gave it,
and the scores are named by `--final_tensor_name`. Therefore the original label_image can run the file.
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

    Protobuf reads concatenated messages as one message, so the file consists of the backbone's bytes, unchanged, followed by
    the head's nodes.
    """
    graph = new_graph()
    for node in _nodes(head, backbone, metadata):
        if node.values is None:
            operation(graph, node.op, node.name, node.inputs)
        else:
            constant(graph, node.name, node.values)
    constant(graph, METADATA_KEY, stated(metadata))
    graph.ClearField("versions")  # the backbone's versions apply
    path.write_bytes(backbone.graph.read_bytes() + graph.SerializeToString(deterministic=True))


def same_but_for_head(path: Path, head: Head, backbone: Backbone, metadata: Metadata) -> bool:
    """Tells whether a written graph is exactly the backbone's graph with this head.

    If TensorFlow has verified this backbone with a head of the same structure, this shows that nothing else has changed.
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
    """Returns the nodes of the head; a single layer has the node names of the original."""
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
    """Tells whether a node of a graph is exactly the expected one."""
    if wanted.values is not None:
        return node.op == "Const" and values_of(node).tobytes() == wanted.values.tobytes()
    return (node.op, tuple(node.input)) == (wanted.op, wanted.inputs)


def known(path: Path, expected: Expected) -> Verified | None:
    """Returns the result of TensorFlow for this backbone's graph with a head of this structure; None if the file has to be run."""
    before = verified_before(expected)
    if before is None or not same_but_for_head(path, expected.head, expected.backbone, expected.metadata):
        return None
    return before


def verified_before(expected: Expected) -> Verified | None:
    """Returns an earlier result for the backbone's graph and the structure of the head, without looking at the file."""
    graph = file_digest(expected.backbone.graph)
    how = "identical to a graph that TensorFlow verified {}, plus this head"
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        found = json.loads(_results(expected.backbone).read_text("utf-8"))[_key(expected, graph)]
        return Verified(float(found), how.format("before"))
    difference = _known_difference(expected.head, graph)
    return None if difference is None else Verified(difference, how.format("in this program's own tests"))


def _known_difference(head: Head, graph: str) -> float | None:
    """Returns the difference that our own tests measured for a graph with a single layer; None if the graph is not listed."""
    return None if head.hidden else VERIFIED.get(graph)


def missing(default: bool) -> str:
    """Names packages that are not installed; the default network needs none, because its graph is verified by its digest."""
    return "" if default else tensorflow_missing()


def unverifiable(backbone: Backbone, head: Head) -> str:
    """Explains why this graph cannot be verified here; "" if it can."""
    if has_tensorflow() or _known_difference(head, file_digest(backbone.graph)) is not None:
        return ""
    return f"verifying it needs TensorFlow, which is not installed: {install('tensorflow')}"


def remember(expected: Expected, difference: float) -> None:
    """Stores the result of TensorFlow for later runs."""
    with (
        contextlib.suppress(OSError),
        replacing(_results(expected.backbone)) as scratch,
    ):  # --model_dir is read-only: the next run verifies it again
        key = _key(expected, file_digest(expected.backbone.graph))
        scratch.write_text(json.dumps({key: difference}), "utf-8")


def _results(backbone: Backbone) -> Path:
    return backbone.graph.with_name(f"{backbone.graph.name}.proof.json")  # the name from earlier versions


def _key(expected: Expected, graph: str) -> str:
    """Identifies a verification: TensorFlow's version, the digest of the backbone's graph, and the structure of the head."""
    return f"{library_versions.tensorflow()['TensorFlow']}/{graph}/{expected.form}"


EXPORTER = Exporter(write, missing=missing, unverifiable=unverifiable, known=known, remember=remember)
