"""An export format that only the tests know: the headless `.tflite` and the layer as plain arrays, run by LiteRT and NumPy.

This is the one file of the format, of which CONTRIBUTING.md tells; its two rows are in test_new_format.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from label_image import model_metadata
from label_image.model_file import ModelFile
from label_image.model_kinds.reader import Floats, ModelReader, Typed
from label_image.model_metadata import Metadata
from label_image.runners.litert import LitertRunner
from retrain.exporters.exporter import Exporter
from retrain.exporters.stated import stated
from retrain.types import Backbone, Head


def write(path: Path, head: Head, backbone: Backbone, metadata: Metadata) -> None:
    """Writes the classifier: the network's bytes, the layer's numbers, the metadata."""
    assert backbone.tflite is not None
    with path.open("wb") as file:
        np.savez(
            file,
            network=np.frombuffer(backbone.tflite.read_bytes(), np.uint8),
            head_weights=head.weights,
            head_biases=head.biases,
            metadata=np.frombuffer(stated(metadata), np.uint8),
        )


EXPORTER = Exporter(write)


class NpzRunner:
    """Runs the network on LiteRT, and the layer with NumPy."""

    name = "numpy"

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            self._network = LitertRunner(path, content=arrays["network"].tobytes())
            self._weights, self._biases = arrays["head_weights"], arrays["head_biases"]

    def scores(self, batch: Floats) -> Floats:
        """float32 [n, height, width, channels] -> float32 [n, classes]."""
        powers = np.exp(self._network.scores(batch) @ self._weights + self._biases)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def open_runner(source: ModelFile, _: Metadata) -> NpzRunner:
    """A runner of its own for each worker."""
    return NpzRunner(source.path)


def metadata_in(source: ModelFile, typed: Typed) -> Metadata:
    """What was written inside."""
    with np.load(source.path, allow_pickle=False) as arrays:
        return model_metadata.from_json(arrays["metadata"].tobytes().decode(), str(source.path), typed)


READER = ModelReader(open_runner, metadata_in, runner_each=True)
