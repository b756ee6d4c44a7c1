"""Finds under which key of its checkpoint the value of each variable of a SavedModel is stored."""

from __future__ import annotations

from typing import Any

from label_image.detectors.net import bare


def variable_objects(meta: Any, graph: Any) -> dict[str, int]:
    """Maps variable nodes to the ids of their objects, which are listed as the captured inputs of the functions that are called."""
    functions = meta.object_graph_def.concrete_functions
    found: dict[str, int] = {}
    for node in graph.node:
        name = node.attr["f"].func.name if node.op in ("StatefulPartitionedCall", "PartitionedCall") else ""
        bound = list(functions[name].bound_inputs) if name in functions else []
        data = [bare(text) for text in node.input if not text.startswith("^")]
        found.update(zip(data[len(data) - len(bound) :], bound, strict=False))
    return found


def restored_keys(graph_def: Any) -> dict[str, str]:
    """Maps variable nodes to keys in the checkpoint, by reading (not running) the restore operations of a TensorFlow 1 graph."""
    nodes = {node.name: node for node in graph_def.node}
    found: dict[str, str] = {}
    for node in graph_def.node:
        if node.op not in ("Assign", "AssignVariableOp") or len(node.input) < 2:
            continue
        source = node.input[1]
        for _ in range(4):
            if bare(source) in nodes and nodes[bare(source)].op == "Identity":
                source = nodes[bare(source)].input[0]
        at = nodes.get(bare(source))
        if at is None or at.op != "RestoreV2" or bare(at.input[1]) not in nodes:
            continue
        names = nodes[bare(at.input[1])].attr["value"].tensor.string_val
        number = int(source.partition(":")[2] or 0)
        if number < len(names):
            found[bare(node.input[0])] = names[number].decode("utf-8", "replace")
    return found


def checkpoint_keys(meta: Any, data: bytes, parse: Any) -> dict[int, str]:
    """Maps the ids of objects in the SavedModel to keys in the checkpoint, by following the same names in both.

    Args:
      meta: the MetaGraphDef.
      data: the table of objects that the checkpoint contains.
      parse: the protobuf class of that table, TrackableObjectGraph.
    """
    saved, kept = meta.object_graph_def.nodes, parse.FromString(data).nodes
    found: dict[int, str] = {}
    waiting, seen = [(0, 0)], {(0, 0)}
    while waiting and saved and kept:
        at, there = waiting.pop()
        for attribute in kept[there].attributes:
            found.setdefault(at, attribute.checkpoint_key)
        names = {child.local_name: child.node_id for child in kept[there].children}
        for child in saved[at].children:
            pair = (child.node_id, names.get(child.local_name, -1))
            if pair[1] >= 0 and pair not in seen:
                seen.add(pair)
                waiting.append(pair)
    return found
