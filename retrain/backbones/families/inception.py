"""The original Inception-v3 graph of December 2015, cut before its head.

Paper: Szegedy et al., "Rethinking the Inception Architecture" (arXiv 1512.00567). The file
(`classify_image_graph_def.pb`) decodes and resizes inside and is fixed to one photo a call: the graph is cut at `Mul`,
where normalised pixels go in, and at `pool_3`; the batch is freed; and operations that TensorFlow has since retired are
rewritten into what they compute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from label_image.errors import RunError
from retrain.backbones.family import Family
from retrain.backbones.frozen_graph import Forms, FrozenGraph, converted
from retrain.backbones.model_folder import ModelFolder, Weights
from retrain.backbones.table import Architecture
from retrain.backbones.weights import from_archive
from retrain.formats.graph_def import INT32, constant, new_graph, operation, parse_graph, placeholder, subgraph

INPUT = "Mul"
FEATURES = "pool_3"
WIDTH = 2048
_SIZE_PX = 299


def headless(graph: Any) -> FrozenGraph:
    """Cuts and frees the graph.

    Raises:
      RunError: `pool_3` is not in it, or does not depend on `Mul`.
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
    """Adds a node without its control inputs, which only ordered checks; a retired operation becomes what it computes."""
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
    """(x - mean) * rsqrt(variance + epsilon) * gamma + beta; gamma only where the attribute asks for it."""
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


def _find(row: Architecture, folder: ModelFolder) -> Weights:
    return from_archive(row, folder, bare=True)


def _convert(row: Architecture, found: Weights, folder: ModelFolder, say: Callable[[str], None]) -> Forms:  # noqa: ARG001
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
