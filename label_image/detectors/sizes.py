"""Computes the input shape of a graph whose placeholder has none: from a Reshape, the last AvgPool or the first MatMul."""

from __future__ import annotations

import math

from label_image.detectors.net import PASS_ON, Net
from label_image.model_metadata import GUESS

_USUAL = (
    224,
    299,
    128,
    160,
    192,
    227,
    256,
    96,
    64,
    32,
    28,
    150,
    180,
    200,
    100,
    48,
    50,
    80,
    120,
    240,
    260,
    300,
    331,
    380,
)
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative", "_FusedConv2D")
_POOLS = ("MaxPool", "AvgPool")


def input_shape(net: Net, source: str, output: str, dims: tuple[int, ...] | None) -> tuple[tuple[int, ...], str]:
    """Returns the shape of the input, batch included, with -1 for unknown sizes, and how it is known."""
    if dims is not None and all(size > 0 for size in dims[1:]):
        return dims, "the placeholder's shape"
    reshaped = _first_reshape(net, source)
    if reshaped and dims is None:
        return reshaped, "the graph's first Reshape"
    way = net.path(source, output)
    for name in way:
        if net.op(name) == "MatMul" and (kernel := net.kernel(name)) is not None:
            rows = int(kernel.shape[0])
            before = [net.op(step) for step in way[1 : way.index(name)]]
            if not any(op in (*_CONVOLUTIONS, *_POOLS, "Mean") for op in before):
                return (-1, rows), f"the first MatMul's {rows:,} rows"
            break
    channels = _channels(net, source)
    size, why = _size_from_last_layers(net, way)
    return (-1, size, size, channels), why


def flat_size(count: int) -> tuple[int, int]:
    """Returns the side and channels of a square image with `count` numbers; (0, 0) if there is none.

    >>> flat_size(784), flat_size(3072), flat_size(5)
    ((28, 1), (32, 3), (0, 0))
    """
    for channels in (1, 3):
        side = math.isqrt(count // channels)
        if side * side * channels == count:
            return side, channels
    return 0, 0


def _channels(net: Net, source: str) -> int:
    first = net.first_network(source)
    kernel = net.kernel(first) if first else None
    return int(kernel.shape[2]) if kernel is not None and kernel.ndim == 4 else 3


def _first_reshape(net: Net, source: str) -> tuple[int, ...] | None:
    """The target shape, such as [-1, 28, 28, 1], if the graph begins by reshaping its input to an image."""
    for name in net.readers.get(source, []):
        if net.op(name) == "Reshape" and net.sources(name)[0] == source:
            wanted = net.constant(net.sources(name)[1])
            if wanted is not None and wanted.size == 4 and wanted.reshape(-1)[3] in (1, 3):
                return tuple(int(size) for size in wanted.reshape(-1))
    return None


def _size_from_last_layers(net: Net, way: list[str]) -> tuple[int, str]:
    """Finds the input size for which the feature map at the end of `way` fits the pooling window or the weights there."""
    for name in reversed(way):
        if net.op(name) == "AvgPool":
            window = int(net.nodes[name].attr["ksize"].list.i[1])
            size = _matching_size(net, way[: way.index(name)], window) if window > 1 else 0
            if size:
                return size, f"the last AvgPool's window of {window}"
    for name in way:
        if net.op(name) == "MatMul" and (kernel := net.kernel(name)) is not None:
            before = way[: way.index(name)]
            last = next((step for step in reversed(before) if net.op(step) in _CONVOLUTIONS), "")
            weights = net.kernel(last) if last else None
            if weights is not None:
                width = (
                    weights.shape[3] if net.op(last) != "DepthwiseConv2dNative" else weights.shape[2] * weights.shape[3]
                )
                side = math.isqrt(int(kernel.shape[0]) // int(width))
                size = _matching_size(net, before, side) if side > 1 and side * side * width == kernel.shape[0] else 0
                if size:
                    return size, f"the first MatMul's {kernel.shape[0]:,} rows"
            break
    return 224, f"{GUESS}nothing in the graph determines it (--input_height, --input_width override it)"


def _matching_size(net: Net, way: list[str], wanted: int) -> int:
    """The input size that becomes `wanted` at the end of `way`, preferring usual sizes, then the largest; 0 if there is none."""
    found = [size for size in range(8, 1025) if _size_after(net, way, size) == wanted]
    strides = math.prod(_stride(net, name) for name in way)
    if wanted * strides in found:
        return wanted * strides
    return next((size for size in _USUAL if size in found), max(found, default=0))


def _stride(net: Net, name: str) -> int:
    if net.op(name) not in (*_CONVOLUTIONS, *_POOLS):
        return 1
    return int(net.nodes[name].attr["strides"].list.i[1])


def _size_after(net: Net, way: list[str], size: int) -> int:
    """Computes the size of the feature map at the end of `way` for an input of `size`."""
    for name in way:
        op, node = net.op(name), net.nodes[name]
        if op in PASS_ON:
            continue
        if op == "Pad":
            paddings = net.constant(net.sources(name)[1])
            if paddings is not None and paddings.shape == (4, 2):
                size += int(paddings[1].sum())
        elif op in (*_CONVOLUTIONS, *_POOLS):
            stride = _stride(net, name)
            kernel = net.kernel(name) if op in _CONVOLUTIONS else None
            window = (
                int(kernel.shape[0]) if kernel is not None else int(node.attr["ksize"].list.i[1] if op in _POOLS else 1)
            )
            size = -(-size // stride) if node.attr["padding"].s == b"SAME" else (size - window) // stride + 1
    return size
