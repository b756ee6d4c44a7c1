"""Answers questions about the nodes of a GraphDef: which node reads which, what is constant, and the path from pixels to scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.quiet import tensorflow

PASS_ON = ("Identity", "StopGradient", "PlaceholderWithDefault", "CheckNumerics", "Switch", "Merge", "Snapshot", "Cast")
RESHAPES = ("Reshape", "Squeeze", "ExpandDims", "StridedSlice", "Pack", "Transpose", "IdentityN")
_NETWORKS = (
    "Conv2D",
    "DepthwiseConv2dNative",
    "MatMul",
    "QuantizedConv2D",
    "_FusedConv2D",
    "_FusedMatMul",
    "BatchMatMulV2",
)


_MOST_NUMBERS = 1 << 29  # in one constant: 2 GiB of float32, the most that a GraphDef can hold


class Net:
    """A GraphDef whose nodes can be looked up by name."""

    def __init__(self, graph_def: Any) -> None:
        self.graph_def = graph_def
        self.nodes: dict[str, Any] = {node.name: node for node in graph_def.node}
        self.readers: dict[str, list[str]] = {}
        for node in graph_def.node:
            for source in self.sources(node.name):
                self.readers.setdefault(source, []).append(node.name)

    def op(self, name: str) -> str:
        """The operation of a node; "" if there is no such node."""
        return str(self.nodes[name].op) if name in self.nodes else ""

    def sources(self, name: str) -> list[str]:
        """The nodes whose data a node reads, in order."""
        return [bare(text) for text in self.nodes[name].input if not text.startswith("^")]

    def above(self, name: str) -> set[str]:
        """A node and all nodes that it depends on."""
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            at = waiting.pop()
            if at in seen or at not in self.nodes:
                continue
            seen.add(at)
            waiting += [bare(text.lstrip("^")) for text in self.nodes[at].input]
        return seen

    def below(self, name: str) -> set[str]:
        """A node and all nodes that depend on it."""
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            at = waiting.pop()
            if at not in seen:
                seen.add(at)
                waiting += self.readers.get(at, [])
        return seen

    def constant(self, name: str) -> npt.NDArray[Any] | None:
        """The value of a node that is computed from constants only, by operations such as arithmetic and roots; None for other nodes."""
        node = self.nodes.get(name)
        if node is None:
            return None
        if node.op == "Const":
            declared = math.prod(max(dim.size, 0) for dim in node.attr["value"].tensor.tensor_shape.dim)
            if declared > _MOST_NUMBERS:
                raise ValueError(f"{name} declares {declared:,} numbers")
            values = tensorflow().make_ndarray(node.attr["value"].tensor)
            return np.asarray(values) if values.dtype.kind in "fiub" else None
        sources = [self.constant(source) for source in self.sources(name)] if node.op in _FOLDED else []
        if not sources or any(source is None for source in sources):
            return None
        with np.errstate(all="ignore"):
            return np.asarray(_FOLDED[node.op](*sources))

    def path(self, source: str, target: str) -> list[str]:
        """The nodes on a path from `source` to `target`, both included; empty if there is no path. Takes the first of several branches."""
        below = self.below(source)
        way, at = [target], target
        while at != source:
            before = [name for name in self.sources(at) if name in below and name not in way]
            if not before:
                return []
            at = before[0]
            way.append(at)
        return way[::-1]

    def first_network(self, source: str) -> str:
        """The first convolution or matrix product after `source`; "" if there is none."""
        seen, waiting = set(), [source]
        while waiting:
            at = waiting.pop(0)
            if self.op(at) in _NETWORKS:
                return at
            if at not in seen:
                seen.add(at)
                waiting += self.readers.get(at, [])
        return ""

    def kernel(self, name: str) -> npt.NDArray[Any] | None:
        """The constant weights of a convolution or matrix product; for quantized weights, zeros of the same shape."""
        if len(self.sources(name)) < 2:
            return None
        at = self.sources(name)[1]
        for _ in range(4):
            if self.op(at) in (*PASS_ON, "Dequantize"):
                at = self.sources(at)[0]
        values = self.constant(at)
        if values is None and self.op(at) == "Const":
            shape = [dim.size for dim in self.nodes[at].attr["value"].tensor.tensor_shape.dim]
            return np.zeros(shape, np.float32)
        return values


_FOLDED: dict[str, Any] = {
    "Identity": lambda x: x, "Cast": lambda x: x, "Neg": np.negative, "Sqrt": np.sqrt, "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Reciprocal": lambda x: 1 / x, "Add": np.add, "AddV2": np.add, "Sub": np.subtract, "Mul": np.multiply,
    "RealDiv": np.divide, "Div": np.divide, "Maximum": np.maximum, "Minimum": np.minimum, "Reshape": lambda x, _: x,
    "ExpandDims": lambda x, _: x, "Squeeze": lambda x: x,
}  # fmt: skip


def bare(text: str) -> str:
    """Returns the name of the node in an input such as "^a", "a" or "a:1".

    >>> bare("conv/out:1")
    'conv/out'
    """
    return text.lstrip("^").split(":")[0]
