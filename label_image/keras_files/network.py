"""Builds a TensorFlow graph from the description and arrays of a Keras network, with our own table of layer kinds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from label_image.errors import meaning
from label_image.keras_files.arrays import KerasFile
from label_image.keras_files.layer import Use
from label_image.keras_files.layers import KINDS
from label_image.keras_files.operations import operation
from label_image.keras_files.structure import ForeignError, KerasNetwork, Layer, Ref, input_shape, refs_in
from label_image.keras_files.weights import LayerWeights, weights_of
from label_image.quiet import tensorflow

_MOST_VALUES = 1 << 27  # numbers in the output of one layer for one photo: half a GiB


@dataclass(frozen=True)
class Graph:
    """The graph of a network, with the names of its input and output."""

    graph_def: Any
    input_layer: str
    output_layer: str


@dataclass(frozen=True)
class _Tools:
    tf: Any
    keras_3: bool  # whether Keras 3 wrote the file


def graph_of(file: KerasFile, network: KerasNetwork) -> Graph:
    """Builds the graph.

    Raises:
      ForeignError: a layer cannot be built from its description; the message names it.
    """
    tf = tensorflow()
    weights = weights_of(file, network)
    graph = tf.Graph()
    with graph.as_default():
        tools = _Tools(tf, not file.version or file.version.startswith("3"))
        sources = {ref: _placeholder(tf, network, ref) for ref in network.inputs}
        given = [tf.cast(source, tf.float32) for source in sources.values()]
        outputs = _run(tools, network, weights, given)
        scores = tf.identity(outputs[0], name="scores")
        for number, other in enumerate(outputs[1:], 2):  # their number helps to tell whether it is a classifier
            tf.identity(other, name=f"answer_{number}")
    return Graph(graph.as_graph_def(), next(iter(sources.values())).name, scores.name)


def _placeholder(tf: Any, network: KerasNetwork, ref: Ref) -> Any:
    layer = next(layer for layer in network.layers if layer.name == ref.layer)
    shape = [None, *(None if size is None else int(size) for size in list(input_shape(layer.config))[1:])]
    if any(size is not None and size < 1 for size in shape) or math.prod(size or 1 for size in shape) > _MOST_VALUES:
        raise ForeignError(f"its input size is {shape[1:]}")
    dtype = layer.config.get("dtype")
    if dtype not in ("uint8", "int32", "int64"):
        dtype = "float32"
    return tf.compat.v1.placeholder(dtype, shape, name=_scope(layer.name.replace("\0", "")))


def _run(tools: _Tools, network: KerasNetwork, weights: dict[str, LayerWeights], given: list[Any]) -> list[Any]:
    """Computes the outputs of a network: each call of a layer is computed as soon as its inputs are."""
    layers = {layer.name: layer for layer in network.layers}
    values: dict[tuple[str, int], list[Any]] = {}
    for ref, tensor in zip(network.inputs, given, strict=True):
        values[ref.layer, ref.call] = [tensor]
    pending = [(layer, number) for layer in network.layers for number in range(len(layer.calls))]
    constants: dict[str, list[Any]] = {}
    while pending:
        left = []
        for layer, number in pending:
            if (layer.name, number) in values:
                continue
            call = layer.calls[number]
            needed = list(refs_in((call.args, call.kwargs)))
            if any((ref.layer, ref.call) not in values for ref in needed):
                left.append((layer, number))
                continue
            values[layer.name, number] = _called(tools, layer, number, weights[layer.name], values, constants)
        if len(left) == len(pending):
            break  # none of these can be computed, which is an error only if an output needs one
        pending = left
    for ref in network.outputs:
        if (ref.layer, ref.call) not in values or ref.layer not in layers:
            raise ForeignError(f"its output {ref.layer!r} cannot be computed from its input")
    return [values[ref.layer, ref.call][ref.output] for ref in network.outputs]


def _called(
    tools: _Tools, layer: Layer, number: int, weights: LayerWeights, values: dict[tuple[str, int], list[Any]],
    constants: dict[str, list[Any]],
) -> list[Any]:  # fmt: skip
    """Computes one call of one layer."""
    call = layer.calls[number]
    args = _resolved(call.args, values)
    try:
        with tools.tf.name_scope(_scope(layer.name)):
            if layer.inner is not None:
                return _run(tools, layer.inner, weights.inner, _flat(args))
            if layer.name not in constants:
                constants[layer.name] = [
                    tools.tf.constant(array, name=f"weights_{at}") for at, array in enumerate(weights.own)
                ]
            value = _computed(tools, layer, constants[layer.name], args, _resolved(call.kwargs, values))
    except ForeignError:
        raise
    except Exception as error:  # a wrong description can raise any error
        raise ForeignError(f"its layer {layer.name[:60]!r} ({layer.kind}) cannot be built: {meaning(error)}") from None
    size = int(
        np.prod([side or 1 for side in (value.shape.as_list() if value.shape.rank is not None else [])], dtype=object)
    )
    if size > _MOST_VALUES:
        raise ForeignError(f"its layer {layer.name[:60]!r} returns {size:,} numbers for each photo")
    return [value]


def _computed(tools: _Tools, layer: Layer, arrays: list[Any], args: Any, kwargs: dict[str, Any]) -> Any:
    found = operation(layer.kind, layer.config)
    if found is not None:
        compute, settings = found
        words = {key: value for key, value in kwargs.items() if key not in ("name", "training")}
        return compute(tools.tf, *args, **{**settings, **words})
    inputs = _flat(args) or _flat(list(kwargs.values()))
    if len(inputs) == 1 and kwargs.get("y") is not None:
        inputs.append(kwargs["y"])
    return KINDS[layer.kind].build(Use(tools.tf, tools.keras_3, layer.config, arrays, inputs))


def _resolved(value: Any, values: dict[tuple[str, int], list[Any]]) -> Any:
    if isinstance(value, Ref):
        return values[value.layer, value.call][value.output]
    if isinstance(value, tuple):
        return tuple(_resolved(inside, values) for inside in value)
    return {key: _resolved(inside, values) for key, inside in value.items()} if isinstance(value, dict) else value


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)) and any(
        hasattr(inside, "shape") or isinstance(inside, tuple) for inside in value
    ):
        return [inside for part in value for inside in (_flat(part) if isinstance(part, tuple) else [part])]
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _scope(name: str) -> str:
    """Changes a layer's name to one that TensorFlow allows."""
    clean = re.sub(r"[^A-Za-z0-9_.\\/-]", "_", name).strip("/")
    return clean if re.match(r"[A-Za-z0-9.]", clean) else f"layer{clean}"
