"""A head and a headless GraphDef in, a frozen graph (`.pb`) that labels out, with the original's names; no TensorFlow.

The input keeps its name in the backbone's graph ("input", Inception's "Mul"), the new layer is called as the original
called it, and the scores are `--final_tensor_name`; so the original label_image runs the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from label_image.card import CARD_KEY, Card, to_json
from retrain.graph_def import constant, operation, read_graph, values_of
from retrain.nouns import Backbone, Head

_LAYER = "final_training_ops"
_WEIGHTS = f"{_LAYER}/weights/final_weights"
_BIASES = f"{_LAYER}/biases/final_biases"
_PRODUCT = f"{_LAYER}/Wx_plus_b/MatMul"
_SUM = f"{_LAYER}/Wx_plus_b/add"


def write(path: Path, head: Head, backbone: Backbone, card: Card) -> None:
    """Writes the classifier: float32 [n, height, width, 3], scaled -> float32 [n, classes]."""
    graph = read_graph(backbone.graph)
    weights = constant(graph, _WEIGHTS, head.weights)
    biases = constant(graph, _BIASES, head.biases)
    product = operation(graph, "MatMul", _PRODUCT, [backbone.features_layer, weights])
    total = operation(graph, "BiasAdd", _SUM, [product, biases])
    operation(graph, "Softmax", card.output_layer, [total])
    constant(graph, CARD_KEY, to_json(card).encode())
    path.write_bytes(graph.SerializeToString(deterministic=True))


def same_but_for_head(path: Path, head: Head, backbone: Backbone, card: Card) -> bool:
    """Whether a written graph is, bit by bit, the backbone's graph with this head on it.

    Where TensorFlow has run this backbone with a head once, and found it right, this shows that nothing else changed.
    """
    written, base = read_graph(path), read_graph(backbone.graph)
    ours = {_WEIGHTS, _BIASES, _PRODUCT, _SUM, card.output_layer, CARD_KEY}
    nodes = {node.name: node for node in written.node}
    rest = [node for node in written.node if node.name not in ours]
    return (
        ours <= nodes.keys()
        and len(nodes) == len(written.node)
        and rest == list(base.node)
        and values_of(nodes[_WEIGHTS]).tobytes() == head.weights.tobytes()
        and values_of(nodes[_BIASES]).tobytes() == head.biases.tobytes()
        and _wired(nodes, backbone, card)
    )


def _wired(nodes: dict[str, Any], backbone: Backbone, card: Card) -> bool:
    wanted = {
        _PRODUCT: ("MatMul", [backbone.features_layer, _WEIGHTS]),
        _SUM: ("BiasAdd", [_PRODUCT, _BIASES]),
        card.output_layer: ("Softmax", [_SUM]),
    }
    return all((nodes[name].op, list(nodes[name].input)) == (op, inputs) for name, (op, inputs) in wanted.items())
