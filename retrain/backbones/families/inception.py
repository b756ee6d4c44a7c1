"""Reads the original Inception-v3 graph of December 2015 and removes its head.

Paper: Szegedy et al., "Rethinking the Inception Architecture" (arXiv 1512.00567). The file
(`classify_image_graph_def.pb`) decodes and resizes photos itself and accepts one photo per call. The graph is therefore cut at
`Mul`, where normalised pixels enter, and at `pool_3`; the batch size is made variable; and operations that TensorFlow has since
removed are replaced by equivalent ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from label_image.errors import RunError
from retrain.backbones.family import Family
from retrain.backbones.frozen_graph import Forms, FrozenGraph, converted
from retrain.backbones.model_folder import FoundWeights, ModelFolder
from retrain.backbones.table import Architecture
from retrain.backbones.weights import from_archive
from retrain.formats.graph_def import INT32, constant, new_graph, operation, parse_graph, placeholder, subgraph

INPUT = "Mul"
FEATURES = "pool_3"
WIDTH = 2048
_SIZE_PX = 299


def headless(graph: Any) -> FrozenGraph:
    """Removes the head of the graph and makes its batch size variable.

    Raises:
      RunError: the graph has no `pool_3`, or does not depend on `Mul`.
    """
    free = new_graph()
    placeholder(free, INPUT, [-1, _SIZE_PX, _SIZE_PX, 3])
    for node in graph.node:
        if node.name != INPUT:
            _copy(node, free)
    shape = constant(free, "features/shape", np.array([-1, WIDTH], np.int32))
    operation(free, "Reshape", "features", [FEATURES, shape])
    free.node[-1].attr["Tshape"].type = INT32
    kept = subgraph(free, "features")
    if INPUT not in {node.name for node in kept.node}:
        raise RunError(
            f"cannot cut the graph: {FEATURES} does not depend on {INPUT}; is it classify_image_graph_def.pb?"
        )
    return FrozenGraph(kept, INPUT, "features", _SIZE_PX, _SIZE_PX, (128.0,), (128.0,), WIDTH)


def _copy(node: Any, graph: Any) -> None:
    """Adds a node without its control inputs, which only order checks; replaces an operation that TensorFlow has removed."""
    sources = [source for source in node.input if not source.startswith("^")]
    if node.op == "BatchNormWithGlobalNormalization":
        _batch_norm(node, sources, graph)
        return
    copy = graph.node.add()
    copy.CopyFrom(node)
    copy.ClearField("input")
    copy.input.extend(sources)
    if copy.op == "CheckNumerics":
        copy.op = "Identity"
        del copy.attr["message"]


def _batch_norm(node: Any, sources: list[str], graph: Any) -> None:
    """Adds (x - mean) * rsqrt(variance + epsilon) * gamma + beta; gamma only if the attribute requests it."""
    source, mean, variance, beta, gamma = sources
    epsilon = constant(graph, f"{node.name}/epsilon", np.array(node.attr["variance_epsilon"].f, np.float32))
    spread = operation(graph, "Add", f"{node.name}/spread", [variance, epsilon])
    scale = operation(graph, "Rsqrt", f"{node.name}/rsqrt", [spread])
    if node.attr["scale_after_normalization"].b:
        scale = operation(graph, "Mul", f"{node.name}/scale", [scale, gamma])
    shift = operation(graph, "Mul", f"{node.name}/mean_scaled", [mean, scale])
    shift = operation(graph, "Sub", f"{node.name}/shift", [beta, shift])
    scaled = operation(graph, "Mul", f"{node.name}/scaled", [source, scale])
    operation(graph, "Add", node.name, [scaled, shift])


def _find(row: Architecture, folder: ModelFolder) -> FoundWeights:
    return from_archive(row, folder, bare=True)


def _convert(row: Architecture, found: FoundWeights, folder: ModelFolder, say: Callable[[str], None]) -> Forms:  # noqa: ARG001
    return converted(row.name, lambda: headless(parse_graph(found.data, str(found.path))), say)


FAMILY = Family(
    architectures=(
        Architecture(
            "inception_v3",
            __name__,
            _SIZE_PX,
            (128.0,),
            (128.0,),
            url="https://storage.googleapis.com/download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz",
            member="classify_image_graph_def.pb",
        ),
    ),
    find=_find,
    convert=_convert,
)
