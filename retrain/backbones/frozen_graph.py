"""Freezes a network of TensorFlow's into a GraphDef without its head, and converts that to `.tflite`.

For networks that are not kept as layers of our own (`own_layers`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from label_image.allowed_operations import check_operations
from label_image.errors import RunError
from label_image.quiet import native_noise_hidden, tensorflow
from label_image.runners.tensorflow import function_of
from retrain.formats.graph_def import parse_graph
from retrain.formats.tflite_codes import with_right_codes

# Of a feature, relative to the largest: the same float32 sums in another order, through a hundred layers or two.
_TOLERANCE = 1e-3


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


class Forms(NamedTuple):
    """The files that a backbone is kept as."""

    frozen: FrozenGraph
    tflite: bytes | None  # headless; None where LiteRT cannot run it
    why_no_tflite: str = ""


def freeze(
    function: Callable[[Any], Any], height_px: int, width_px: int, input_layer: str = "input", std: float = 1.0
) -> FrozenGraph:
    """Freezes a Python function on float32 [n, height_px, width_px, 3], pixels / std -> float32 [n, width].

    Raises:
      ValueError: the function's result has another shape.
    """
    tf = tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    spec = tf.TensorSpec([None, height_px, width_px, 3], tf.float32, name=input_layer)
    with native_noise_hidden():
        concrete = tf.function(
            lambda image: tf.identity(function(image), name="features"), input_signature=[spec]
        ).get_concrete_function()
        frozen = convert_variables_to_constants_v2(concrete)
    shape = frozen.outputs[0].shape
    if shape.rank != 2 or not shape[1]:
        raise ValueError(f"its output has shape {shape}, expected [photos, features]")
    graph = parse_graph(frozen.graph.as_graph_def().SerializeToString(), "the frozen graph")
    names = (frozen.inputs[0].op.name, frozen.outputs[0].op.name)
    return FrozenGraph(graph, *names, height_px, width_px, (0.0,), (std,), int(shape[1]))


def to_tflite(frozen: FrozenGraph) -> tuple[bytes | None, str]:
    """Converts it, and runs the result once beside the original.

    Returns:
      (the bytes of a `.tflite`, "") or (None, why LiteRT cannot run it).

    Raises:
      ValueError: TensorFlow itself cannot run the graph, or its features are no numbers.
    """
    tf = tensorflow()
    function = graph_function(frozen.graph, frozen.input_layer, frozen.features_layer)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, frozen.height_px, frozen.width_px, 3))
    batch = ((pixels - np.array(frozen.mean)) / np.array(frozen.std)).astype(np.float32)
    with native_noise_hidden():
        try:
            expected = function(tf.constant(batch)).numpy()
        except (ValueError, tf.errors.OpError) as error:
            raise ValueError(f"TensorFlow cannot run the graph on two photos: {_one_line(error)}") from None
        if not np.isfinite(expected).all():
            raise ValueError("its features are no finite numbers")
        try:
            converted = bytes(tf.lite.TFLiteConverter.from_concrete_functions([function], function).convert())
            tflite = with_right_codes(converted, "what TensorFlow converted")  # it puts constants anywhere
            got = _run(tflite, batch)
        except Exception as error:  # the converter raises many kinds; TensorFlow can still run the graph
            missing = sorted(set(re.findall(r"tf\.([A-Z]\w+)", str(error))))
            return None, f"it lacks {', '.join(missing)}" if missing else _one_line(error)
    # The converter has its faults: of Lgamma, for one, it makes an empty constant, and says nothing.
    if got.shape == expected.shape and np.abs(got - expected).max() <= _TOLERANCE * np.abs(expected).max():
        return tflite, ""
    return None, "the converter's file gives other features than the graph"


def graph_function(graph: Any, input_layer: str, output_layer: str) -> Any:
    """A GraphDef as a TensorFlow function from one operation's output to another's, once its operations are known to be harmless.

    Raises:
      ValueError: TensorFlow refuses the graph.
    """
    tf = tensorflow()
    graph_def = tf.compat.v1.GraphDef.FromString(graph.SerializeToString())
    check_operations(graph_def, "the graph", more=())
    try:
        with native_noise_hidden():
            return function_of(graph_def, input_layer, output_layer, "the graph")
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise ValueError(f"TensorFlow refuses the graph: {_one_line(error)}") from None


def _run(tflite: bytes, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The features of two pictures on LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=tflite)
    interpreter.allocate_tensors()
    rows = []
    for picture in pixels:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).reshape(-1))
    return np.stack(rows)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def converted(name: str, make: Callable[[], FrozenGraph], say: Callable[[str], None]) -> Forms:
    """The forms of a network that TensorFlow makes.

    Args:
      name: of the network, for people.
      make: loads and freezes it.
      say: called with a line about the long work.

    Raises:
      RunError: TensorFlow cannot run it, or it gives no features.
    """
    say(f"making {name} ready with TensorFlow, once")
    try:
        frozen = make()
        return Forms(frozen, *to_tflite(frozen))
    except ValueError as error:
        raise RunError(f"cannot use {name}: {error}") from None
