"""Finds the last feature map of a network and the linear layer applied to its mean, which together define an exact heat map.

The search follows the operations backwards from the scores: softmax, linear layers (several are combined into one), a mean over
rows and columns, and the feature map. Any other operation raises NoExactMap. Nothing is run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from label_image.detectors.net import PASS_ON, RESHAPES, Net
from label_image.detectors.tflite_file import TfliteFile
from label_image.errors import RunError
from label_image.model_file import ModelFile

Tensor = TypeVar("Tensor", str, int)
Floats = npt.NDArray[np.float32]
_TFLITE_PASS_ON = ("RESHAPE", "SQUEEZE", "QUANTIZE", "DEQUANTIZE", "EXPAND_DIMS", "SOFTMAX")
_TFLITE_LAYERS = ("FULLY_CONNECTED", "CONV_2D")
_LONGEST_WAY = 24  # operations between the scores and the feature map; our exports have four


class NoExactMap(RunError):  # noqa: N818 - the name states the situation, like the reasons of PhotoError
    """The network does not end in convolutions, a global average and a linear layer, so its scores cannot be attributed to regions."""


@dataclass(frozen=True)
class PooledEnd:
    """scores = softmax(mean of the feature map over rows and columns @ weights + biases)."""

    feature_map: str | int  # the tensor [n, rows, columns, width]: its name in a graph, its index in a `.tflite`
    weights: Floats | None  # [width, classes]; None if the network ends with the mean
    biases: Floats | None  # [classes]


@dataclass(frozen=True)
class _Step:
    """One operation in the backward search from the scores."""

    source: Any  # the tensor it reads; None ends the search
    weights: Floats | None = None  # [in, out], if it is a linear layer
    biases: Floats | None = None  # [out]
    pools: bool = False
    problem: str = ""  # why there is no exact map


def pooled_end(path: Path, step: Callable[[Tensor], _Step], output: Tensor) -> PooledEnd:
    """Searches backwards from `output` for the feature map.

    Raises:
      NoExactMap: there is an operation other than linear layers and a mean.
    """
    weights: Floats | None = None
    biases: Floats | None = None
    at = output
    for _ in range(_LONGEST_WAY):
        found = step(at)
        if found.problem:
            raise no_map(path, found.problem)
        if found.pools:
            return PooledEnd(found.source, weights, biases)
        if found.biases is not None:
            behind = found.biases if weights is None else found.biases @ weights
            biases = behind if biases is None else biases + behind
        if found.weights is not None:
            weights = found.weights if weights is None else found.weights @ weights
        at = found.source
    raise no_map(path, "found no mean over rows and columns before its scores")


def no_map(path: Path, problem: str) -> NoExactMap:
    """Makes the error that says why there is no exact heat map."""
    return NoExactMap(
        f"no exact heat map for {path}: {problem}; a map needs convolutions, a global average and a linear layer"
    )


def tflite_end(source: Path | ModelFile, output_layer: str = "") -> PooledEnd:
    """Finds the pooled end of a `.tflite`.

    Args:
      source: the file, or its content if it was already read.
      output_layer: which output, if it has several.

    Raises:
      NoExactMap: the network has another structure.
      RunError: the file is damaged.
    """
    file = TfliteFile(source)
    output = next((index for index in file.outputs if file.names[index] == output_layer), file.outputs[0])
    return pooled_end(file.path, lambda tensor: _tflite_step(file, tensor), output)


def _tflite_step(file: TfliteFile, tensor: int) -> _Step:
    operator = file.writers.get(tensor)
    if operator is None:
        return _Step(None, problem="no operation computes its scores")
    op, sources = file.op(operator), file.sources(operator)
    if op in _TFLITE_PASS_ON:
        return _Step(sources[0])
    if op == "MEAN" and _are_rows_and_columns(file.numbers(sources[1])):
        return _Step(sources[0], pools=True)
    if op == "AVERAGE_POOL_2D" and _covers(file, operator, sources[0]):
        return _Step(sources[0], pools=True)
    if op in _TFLITE_LAYERS and not file.activated(operator):
        kernel = file.numbers(sources[1])
        biases = file.numbers(sources[2]) if len(sources) > 2 and sources[2] >= 0 else None
        if kernel is not None and kernel.shape[1:-1] in ((), (1, 1)):  # [out, in] or [out, 1, 1, in]
            return _Step(sources[0], kernel.reshape(len(kernel), -1).T, biases)
    if op == "ADD" and not file.activated(operator):
        biases = file.numbers(sources[1])
        if biases is not None:
            return _Step(sources[0], biases=biases.reshape(-1))
    activated = op in _TFLITE_LAYERS and file.activated(operator)
    return _Step(None, problem=f"it has {op}{' with an activation' if activated else ''} before its scores")


def _are_rows_and_columns(axes: npt.NDArray[Any] | None) -> bool:
    return axes is not None and sorted(int(axis) % 4 for axis in axes.ravel()) == [1, 2]


def _covers(file: TfliteFile, operator: Any, source: int) -> bool:
    """Whether the window of an average pooling covers the whole feature map."""
    from ai_edge_litert import schema_py_generated as schema

    table, options = operator.BuiltinOptions(), schema.Pool2DOptions()
    options.Init(table.Bytes, table.Pos)
    return (options.FilterHeight(), options.FilterWidth()) == file.shape(source)[1:3]


def graph_end(path: Path, net: Net, output: str) -> PooledEnd:
    """Finds the pooled end of a GraphDef.

    Args:
      path: its file, for error messages.
      net: the graph.
      output: the operation that computes the scores, or the features of a network without a head.

    Raises:
      NoExactMap: the network has another structure.
    """
    return pooled_end(path, lambda name: _graph_step(net, name), output)


def _graph_step(net: Net, name: str) -> _Step:
    op, sources = net.op(name), net.sources(name) if name in net.nodes else []
    attributes = net.nodes[name].attr if name in net.nodes else {}
    if op == "Softmax" or op in PASS_ON or op in RESHAPES:
        return _Step(sources[0])
    numbers = net.constant(sources[1]) if len(sources) == 2 else None
    if op == "AvgPool":
        return _Step(sources[0], pools=True)
    if numbers is not None:
        if op == "Mean" and _are_rows_and_columns(numbers):
            return _Step(sources[0], pools=True)
        if op in ("BiasAdd", "Add", "AddV2"):
            return _Step(sources[0], biases=numbers.reshape(-1))
        if op == "MatMul" and not attributes["transpose_a"].b:
            return _Step(sources[0], numbers.T if attributes["transpose_b"].b else numbers)
        if op == "Conv2D" and numbers.shape[:2] == (1, 1):
            return _Step(sources[0], numbers[0, 0])
    return _Step(None, problem=f"it has {op or name} before its scores")
