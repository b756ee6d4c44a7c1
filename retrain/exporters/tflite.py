"""Writes the `.tflite` of the classifier: appends the layers to the headless one with LiteRT's schema classes, without TensorFlow.

In each precision, a signature gives input and scores the names of the frozen graph. The file contains our metadata, the standard
metadata (`tflite_metadata`) for MediaPipe Tasks and Android, and the labels after the model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from label_image.detectors import checksum
from label_image.detectors.standard_metadata import NAME as TFLITE_METADATA_KEY
from label_image.model_metadata import METADATA_KEY, Metadata
from retrain.exporters.expected import Expected
from retrain.exporters.exporter import Exporter
from retrain.exporters.other_programs import READERS
from retrain.exporters.stated import restate, stated
from retrain.exporters.tflite_metadata import standard_metadata, with_labels
from retrain.formats import tflite_structure
from retrain.formats.tflite_model import SIGNATURE, TfliteModel
from retrain.types import Backbone, Head

_OPERATORS = {"relu": "RELU", "sigmoid": "LOGISTIC", "tanh": "TANH"}  # operators that have no options


def write(path: Path, head: Head, backbone: Backbone, metadata: Metadata) -> None:
    """Writes the classifier.

    Args:
      path: the file to write.
      head: the trained layer, and hidden layers below it.
      backbone: a backbone that LiteRT can run.
      metadata: written into the file.
    """
    assert backbone.tflite is not None, "an order of it is made only where there is a headless .tflite"  # noqa: S101
    model = TfliteModel(backbone.tflite)
    (features,) = model.graph.outputs
    flow = int(features)
    for number, layer in enumerate(head.hidden, 1):
        total = _dense(model, flow, (layer.weights, layer.biases), (f"hidden_{number}", f"hidden_{number}/sum"))
        flow = model.tensor(f"hidden_{number}/{layer.activation}", [1, len(layer.biases)], batch=True)
        model.operator(_OPERATORS[layer.activation], [total], flow)
    logits = _dense(model, flow, (head.weights, head.biases), ("final", "logits"))
    scores = model.tensor(metadata.output_layer, [1, len(head.labels)], batch=True)
    model.operator("SOFTMAX", [logits], scores, model.options("SoftmaxOptions", beta=1.0))
    model.outputs([scores])
    model.signature(SIGNATURE, metadata.input_layer, metadata.output_layer)
    model.metadata(METADATA_KEY, stated(metadata))
    model.metadata(TFLITE_METADATA_KEY, standard_metadata(metadata))
    model.metadata(checksum.KEY, checksum.EMPTY)
    path.write_bytes(checksum.sealed(with_labels(model.to_bytes(), metadata)))


def restate_in(path: Path, was: Metadata, now: Metadata) -> None:
    """Replaces the test results in the metadata of a file, and updates its checksum."""
    restate(path, was, now)
    path.write_bytes(checksum.sealed(path.read_bytes()))


def _dense(
    model: TfliteModel,
    flow: int,
    layer: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
    names: tuple[str, str],
) -> int:
    """Appends flow @ weights + biases; returns the index of the output tensor."""
    (weights, biases), (name, out) = layer, names
    inputs = [
        flow,
        model.tensor(f"{name}_weights", [len(biases), len(weights)], np.ascontiguousarray(weights.T)),
        model.tensor(f"{name}_biases", [len(biases)], biases),
    ]
    total = model.tensor(out, [1, len(biases)], batch=True)
    model.operator("FULLY_CONNECTED", inputs, total, model.options("FullyConnectedOptions"))
    return total


def check_form(file: Path, name: Path, expected: Expected) -> None:
    """Verifies the structure of the file, which LiteRT does not check.

    Raises:
      RunError: the structure is wrong; the message states the first fault.
    """
    tflite_structure.check(file, str(name), expected.metadata.input_layer, expected.metadata.output_layer)


EXPORTER = Exporter(write, check_form=check_form, restate=restate_in, readers=tuple(READERS))
