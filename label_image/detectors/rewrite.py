"""Prepares a graph for inference: removes dropout, training switches and unused nodes, and leaves one input."""

from __future__ import annotations

from typing import Any

import numpy as np

from label_image.detectors.net import Net, bare
from label_image.quiet import tensorflow

_RANDOM = ("RandomUniform", "StatelessRandomUniform", "StatelessRandomUniformV2", "RandomStandardNormal")
_MASKS = ("Floor", "Cast", "GreaterEqual", "Greater", "Less", "LessEqual")
_FROZEN_INTS = (3, 9)  # int32 and int64 of tensorflow.DataType
_BOOL, _STRING = 10, 7


def for_inference(net: Net, input_layer: str, output_layer: str) -> tuple[Any, tuple[str, ...]]:
    """Prepares a graph for inference.

    Args:
      net: the graph, which is not changed.
      input_layer: the operation that takes the pixels; it becomes a placeholder of the same name.
      output_layer: the operation that computes the scores.

    Returns:
      a GraphDef with only the nodes that the scores need, and messages about what was changed.
    """
    graph = type(net.graph_def)()
    graph.CopyFrom(net.graph_def)
    work = Net(graph)
    notes = []
    _make_placeholder(work, bare(input_layer))
    masked = _without_dropout(work)
    if masked:
        notes.append(f"removed dropout that was still active ({masked[0]}{' and others' if len(masked) > 1 else ''})")
    work = Net(graph)
    switched = _freeze_placeholders(work, bare(input_layer), bare(output_layer))
    if switched:
        notes.append(f"set for inference: {', '.join(switched)}")
    return _pruned(Net(graph), bare(output_layer)), tuple(notes)


def _make_placeholder(net: Net, name: str) -> None:
    """Replaces the input by a placeholder without a fixed size, whatever computed it before."""
    node = net.nodes[name]
    dtype = _STRING if name == "DecodeJpeg/contents" else (node.attr["dtype"].type or node.attr["T"].type or 1)
    node.op = "Placeholder"
    del node.input[:]
    node.attr.clear()
    node.attr["dtype"].type = dtype
    node.attr["shape"].shape.unknown_rank = True


def _without_dropout(net: Net) -> list[str]:
    """Bypasses multiplications with a random mask, and removes the scaling that belongs to them."""
    masks = _masks(net)
    done = []
    for name in list(net.nodes):
        op, sources = net.op(name), net.sources(name)
        if op == "Mul" and any(source in masks for source in sources) and name not in masks:
            kept = next((source for source in sources if source not in masks), None)
        elif op in ("SelectV2", "Select") and sources[0] in masks:
            kept = sources[1]
        else:
            continue
        if kept is None:
            continue
        scale, plain = _without_scaling(net, kept, masks)
        _make_identity(net.nodes[name], plain)
        if not scale:
            _remove_scaling_after(net, name)
        done.append(name)
    return done


def _masks(net: Net) -> set[str]:
    """Finds the masks of dropout: nodes that are computed from a random generator and no data."""
    found: set[str] = set()
    for name in net.nodes:
        if net.op(name) in _RANDOM:
            for below in _computed_from_noise(net, name):
                found.add(below)
    return found


def _computed_from_noise(net: Net, name: str) -> list[str]:
    """The nodes that are computed from random numbers alone, up to the mask itself."""
    seen: list[str] = []
    waiting = [name]
    while waiting:
        at = waiting.pop()
        seen.append(at)
        if net.op(at) == "Floor" or (net.op(at) == "Cast" and seen):
            continue
        for reader in net.readers.get(at, []):
            op = net.op(reader)
            arithmetic = op in ("Mul", "Add", "AddV2", "Sub", "Identity") and net.op(at) not in (
                "GreaterEqual",
                "Floor",
            )
            if op in _MASKS or (arithmetic and not _is_mask(net, at)):
                waiting.append(reader)
    return seen


def _is_mask(net: Net, name: str) -> bool:
    return net.op(name) in _MASKS


def _without_scaling(net: Net, name: str, masks: set[str]) -> tuple[bool, str]:
    """Whether a node is a division by keep_prob, and the data that is divided."""
    op, sources = net.op(name), net.sources(name)
    if op in ("RealDiv", "Div", "Mul") and len(sources) == 2 and not set(sources) & masks:
        data = [source for source in sources if not _is_rate(net, source)]
        if len(data) == 1:
            return True, data[0]
    return False, name


def _is_rate(net: Net, name: str) -> bool:
    """Whether a node is a single number that does not depend on the image: a constant, or a placeholder such as keep_prob."""
    values = net.constant(name)
    if values is not None:
        return values.size == 1
    above = net.above(name)
    if len(above) > 12:
        return False
    fed = [node for node in above if net.op(node).startswith("Placeholder")]
    return bool(fed) and all(_has_rate_name(node) for node in fed)


def _has_rate_name(name: str) -> bool:
    return any(word in name.lower() for word in ("keep", "drop", "prob", "rate"))


def _remove_scaling_after(net: Net, name: str) -> None:
    """Removes the scaling if it follows the mask."""
    for reader in net.readers.get(name, []):
        others = [source for source in net.sources(reader) if source != name]
        if net.op(reader) in ("RealDiv", "Div", "Mul") and others and "dropout" in reader and _is_rate(net, others[0]):
            _make_identity(net.nodes[reader], name)


def _make_identity(node: Any, source: str) -> None:
    """Turns a node into an Identity of `source`."""
    dtype = node.attr["T"].type or 1
    node.op = "Identity"
    del node.input[:]
    node.input.append(source)
    node.attr.clear()
    node.attr["T"].type = dtype


def _freeze_placeholders(net: Net, source: str, output: str) -> list[str]:
    """Sets all other placeholders to their values for inference; returns what was set."""
    done = []
    above = net.above(output)
    for name, node in net.nodes.items():
        if name == source or name not in above or not node.op.startswith("Placeholder"):
            continue
        if node.op == "PlaceholderWithDefault" and node.attr["dtype"].type != _BOOL:
            _use_default(node)
            continue
        value = _inference_value(name, node.attr["dtype"].type)
        _make_constant(node, value)
        done.append(f"{name}={value.item()}")
    return done


def _inference_value(name: str, dtype: int) -> Any:
    """The value of a placeholder at inference: False for switches, 1 for keep_prob and counts, 0 for rates."""
    if dtype == _BOOL:
        return np.bool_(False)
    if dtype in _FROZEN_INTS:
        return (np.int32 if dtype == _FROZEN_INTS[0] else np.int64)(0 if "phase" in name.lower() else 1)
    zero = "rate" in name.lower() and "keep" not in name.lower()
    return np.float32(0 if zero else 1)


def _use_default(node: Any) -> None:
    dtype = node.attr["dtype"].type
    node.op = "Identity"
    node.attr.clear()
    node.attr["T"].type = dtype


def _make_constant(node: Any, value: Any) -> None:
    tf = tensorflow()
    node.op = "Const"
    del node.input[:]
    node.attr.clear()
    made = tf.make_tensor_proto(value)
    node.attr["dtype"].type = made.dtype
    node.attr["value"].tensor.CopyFrom(made)


def _pruned(net: Net, output: str) -> Any:
    above = net.above(output)
    graph = type(net.graph_def)()
    graph.versions.CopyFrom(net.graph_def.versions)
    graph.library.CopyFrom(net.graph_def.library)
    graph.node.extend(node for node in net.graph_def.node if node.name in above)
    return graph
