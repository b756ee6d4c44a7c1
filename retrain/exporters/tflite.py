"""A head and a headless `.tflite` in, a `.tflite` that labels out: the layer is appended by LiteRT's schema classes, no TensorFlow.

It carries our card, and the standard metadata (`metadata`) with the labels behind the model, for MediaPipe Tasks and Android.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from label_image.card import CARD_KEY, Card, to_json
from retrain.exporters.metadata import METADATA_KEY, metadata, with_labels
from retrain.nouns import Backbone, Head
from retrain.tflite_model import TfliteModel


def write(path: Path, head: Head, backbone: Backbone, card: Card) -> None:
    """Writes the classifier.

    Args:
      path: where.
      head: the trained layer.
      backbone: one that LiteRT can run.
      card: goes inside.
    """
    assert backbone.tflite is not None, "stages asks for a .tflite only where there is a headless one"  # noqa: S101
    model = TfliteModel(backbone.tflite)
    classes = len(head.labels)
    (features,) = model.graph.outputs
    inputs = [
        int(features),
        model.tensor("final_weights", [classes, backbone.width], np.ascontiguousarray(head.weights.T)),
        model.tensor("final_biases", [classes], head.biases),
    ]
    logits = model.tensor("logits", [1, classes], batch=True)
    scores = model.tensor(card.output_layer, [1, classes], batch=True)
    model.operator("FULLY_CONNECTED", inputs, logits, model.options("FullyConnectedOptions"))
    model.operator("SOFTMAX", [logits], scores, model.options("SoftmaxOptions", beta=1.0))
    model.outputs([scores])
    model.metadata(CARD_KEY, to_json(card).encode())
    model.metadata(METADATA_KEY, metadata(card))
    path.write_bytes(with_labels(model.to_bytes(), card))
