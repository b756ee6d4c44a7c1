"""Reads, builds and cuts frozen GraphDefs with the protobuf classes that `tensorboard` ships; TensorFlow is not needed.

It has functions to add nodes, to read constants, and to extract the nodes on which an output depends.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.allowed_operations import check_operations
from label_image.errors import RunError, meaning

FLOAT, INT32, STRING = 1, 3, 7  # values of tensorflow.DataType
_DTYPES = {FLOAT: np.dtype("<f4"), INT32: np.dtype("<i4")}


def new_graph() -> Any:
    """Makes an empty GraphDef that TensorFlow 1.4 and later can read."""
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    graph = GraphDef()
    graph.versions.producer = 26
    return graph


def read_graph(path: Path) -> Any:
    """Reads the GraphDef in a file.

    Raises:
      RunError: the file is not a graph, or contains operations that do more than compute.
    """
    return parse_graph(path.read_bytes(), str(path))


def parse_graph(data: bytes, where: str) -> Any:
    """Parses a GraphDef; `where` names its origin in an error."""
    graph = new_graph()
    try:
        graph.ParseFromString(data)
    except Exception as error:  # protobuf's DecodeError has moved between versions
        raise RunError(f"cannot read {where}: it is not a TensorFlow graph ({meaning(error)})") from None
    if not graph.node:
        raise RunError(f"cannot read {where}: it is not a TensorFlow graph (it has no operations)")
    check_operations(graph, where)
    return graph


def placeholder(graph: Any, name: str, shape: Sequence[int]) -> str:
    """Adds a float input and returns its name; -1 stands for an unknown dimension."""
    node = _node(graph, "Placeholder", name, [])
    node.attr["dtype"].type = FLOAT
    for size in shape:
        node.attr["shape"].shape.dim.add(size=size)
    return name


def constant(graph: Any, name: str, values: npt.NDArray[Any] | bytes) -> str:
    """Adds a constant of float32, int32 or one string, and returns its name."""
    node = _node(graph, "Const", name, [])
    tensor = node.attr["value"].tensor
    if isinstance(values, bytes):
        tensor.dtype = STRING
        tensor.string_val.append(values)
        tensor.tensor_shape.SetInParent()
    else:
        tensor.dtype = INT32 if values.dtype.kind == "i" else FLOAT
        tensor.tensor_content = np.ascontiguousarray(values, _DTYPES[tensor.dtype]).tobytes()
        tensor.tensor_shape.SetInParent()
        for size in values.shape:
            tensor.tensor_shape.dim.add(size=size)
    node.attr["dtype"].type = tensor.dtype
    return name


def operation(graph: Any, op: str, name: str, inputs: Sequence[str], **attributes: Any) -> str:
    """Adds an operation on floats and returns its name; attributes are ints, bools, strings or lists of ints."""
    node = _node(graph, op, name, inputs)
    node.attr["T"].type = FLOAT
    for key, value in attributes.items():
        _set(node.attr[key], value)
    return name


def values_of(node: Any) -> npt.NDArray[Any]:
    """Returns the values of a float or int constant.

    Raises:
      RunError: the node is not such a constant.
    """
    tensor = node.attr["value"].tensor
    if node.op != "Const" or tensor.dtype not in _DTYPES:
        raise RunError(f"cannot read the graph: {node.name} is not a constant of floats or ints")
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    listed = tensor.float_val if tensor.dtype == FLOAT else tensor.int_val
    flat = np.frombuffer(tensor.tensor_content, _DTYPES[tensor.dtype]) if tensor.tensor_content else np.asarray(listed)
    flat = flat.astype(_DTYPES[tensor.dtype])
    missing = int(np.prod(shape)) - len(flat)
    if missing > 0:  # TensorFlow repeats the last value; no value at all stands for zeros
        flat = np.pad(flat, (0, missing), "edge" if len(flat) else "constant")
    return flat.reshape(shape)


def subgraph(graph: Any, output: str) -> Any:
    """Copies the nodes on which `output` depends, in their order; `graph` is not changed.

    Raises:
      RunError: `output`, or a node on which it depends, is missing.
    """
    nodes = {node.name: node for node in graph.node}
    wanted, waiting = set(), [output]
    while waiting:
        name = waiting.pop()
        if name in wanted:
            continue
        if name not in nodes:
            raise RunError(f"cannot cut the graph at {output}: it has no operation {name}")
        wanted.add(name)
        waiting += [node_name(source) for source in nodes[name].input]
    kept = new_graph()
    kept.versions.CopyFrom(graph.versions)
    kept.node.extend(node for node in graph.node if node.name in wanted)
    return kept


def node_name(source: str) -> str:
    """Returns the name of the node to which an input such as "^a", "a" or "a:1" refers.

    >>> node_name("conv/out:1")
    'conv/out'
    """
    return source.lstrip("^").split(":")[0]


def _node(graph: Any, op: str, name: str, inputs: Sequence[str]) -> Any:
    return graph.node.add(op=op, name=name, input=list(inputs))


def _set(attribute: Any, value: Any) -> None:
    if isinstance(value, bool):
        attribute.b = value
    elif isinstance(value, int):
        attribute.i = value
    elif isinstance(value, float):
        attribute.f = value
    elif isinstance(value, str):
        attribute.s = value.encode()
    else:
        attribute.list.i.extend(value)
