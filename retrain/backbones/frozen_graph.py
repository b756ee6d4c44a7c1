"""Freezes a TensorFlow network into a GraphDef without its head, and converts it to `.tflite`.

It is used for networks that are not stored as our own layers (`own_layers`).
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

# Allowed difference of a feature, relative to the largest: float32 sums in another order, through 100 to 200 layers.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class FrozenGraph:
    """A network without its head as a TensorFlow graph, with the description of its input."""

    graph: Any  # GraphDef in which variables are constants
    input_layer: str
    features_layer: str
    height_px: int
    width_px: int
    mean: tuple[float, ...]  # input = (pixel - mean) / std
    std: tuple[float, ...]
    width: int  # number of features for each photo


class Forms(NamedTuple):
    """The forms in which a backbone is stored."""

    frozen: FrozenGraph
    tflite: bytes | None  # without the head; None if LiteRT cannot run it
    why_no_tflite: str = ""


def freeze(
    function: Callable[[Any], Any], height_px: int, width_px: int, input_layer: str = "input", std: float = 1.0
) -> FrozenGraph:
    """Freezes a Python function on float32 [n, height_px, width_px, 3], pixels / std -> float32 [n, width].

    Raises:
      ValueError: the result of the function has another shape.
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
    """Converts a frozen graph to `.tflite`, and compares the results of both on two photos.

    Returns:
      (the bytes of a `.tflite`, "") or (None, why LiteRT cannot run it).

    Raises:
      ValueError: TensorFlow itself cannot run the graph, or its features are NaN or infinite.
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
            raise ValueError("its features are NaN or infinite")
        try:
            converted = bytes(tf.lite.TFLiteConverter.from_concrete_functions([function], function).convert())
            tflite = with_right_codes(converted, "what TensorFlow converted")  # the converter does not align constants
            got = _run(tflite, batch)
        except Exception as error:  # the converter raises many kinds; TensorFlow can still run the graph
            missing = sorted(set(re.findall(r"tf\.([A-Z]\w+)", str(error))))
            return None, f"it does not support {', '.join(missing)}" if missing else _one_line(error)
    # The converter has bugs: for Lgamma, for example, it writes an empty constant without an error.
    if got.shape == expected.shape and np.abs(got - expected).max() <= _TOLERANCE * np.abs(expected).max():
        return tflite, ""
    return None, "the converted file computes other features than the graph"


def graph_function(graph: Any, input_layer: str, output_layer: str) -> Any:
    """Makes a TensorFlow function of a GraphDef, from one operation's output to another's, after checking that its operations are harmless.

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
    """Computes the features of each picture with LiteRT."""
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
    """Builds a network with TensorFlow and returns its forms.

    Args:
      name: the name of the network, for messages.
      make: loads and freezes the network.
      say: called with a line before the long work.

    Raises:
      RunError: TensorFlow cannot run the network, or it computes no features.
    """
    say(f"preparing {name} with TensorFlow, which is needed only once")
    try:
        frozen = make()
        return Forms(frozen, *to_tflite(frozen))
    except ValueError as error:
        raise RunError(f"cannot use {name}: {error}") from None
