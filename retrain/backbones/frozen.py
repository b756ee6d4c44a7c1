"""A headless GraphDef in, a headless `.tflite` out, by TensorFlow's converter; for networks that we do not write ourselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from label_image.quiet import native_noise_hidden, tensorflow


@dataclass(frozen=True)
class FrozenGraph:
    """A headless network as TensorFlow's graph, and what it takes."""

    graph: Any  # GraphDef, variables turned into constants
    input_layer: str
    features_layer: str
    height_px: int
    width_px: int
    mean: tuple[float, ...]  # input = (pixel - mean) / std
    std: tuple[float, ...]
    width: int  # features a photo


def to_tflite(frozen: FrozenGraph) -> tuple[bytes | None, str]:
    """Converts it.

    Returns:
      (the bytes of a `.tflite`, "") or (None, why LiteRT can not run it).
    """
    tf = tensorflow()
    graph_def = tf.compat.v1.GraphDef.FromString(frozen.graph.SerializeToString())
    try:
        with native_noise_hidden():
            function = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph_def, name=""), [])
            pruned = function.prune(f"{frozen.input_layer}:0", f"{frozen.features_layer}:0")
            converter = tf.lite.TFLiteConverter.from_concrete_functions([pruned], pruned)
            return bytes(converter.convert()), ""
    except Exception as error:  # the converter raises many kinds; TensorFlow itself can still run the graph
        return None, " ".join(str(error).split())[:200]


def freeze(function: Any, height_px: int, width_px: int) -> FrozenGraph:
    """A Python function on float32 [n, height, width, 3] in 0..255 -> float32 [n, width], as a FrozenGraph."""
    tf = tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    spec = tf.TensorSpec([None, height_px, width_px, 3], tf.float32, name="input")
    with native_noise_hidden():
        concrete = tf.function(
            lambda image: tf.identity(function(image), name="features"), input_signature=[spec]
        ).get_concrete_function()
        frozen = convert_variables_to_constants_v2(concrete)
    from retrain.graph_def import parse_graph

    graph = parse_graph(frozen.graph.as_graph_def().SerializeToString(), "the frozen graph")
    width = int(frozen.outputs[0].shape[-1])
    names = (frozen.inputs[0].op.name, frozen.outputs[0].op.name)
    return FrozenGraph(graph, *names, height_px, width_px, (0.0,), (1.0,), width)
