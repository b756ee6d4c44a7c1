"""Writes event files for TensorBoard, with the tags of the original program. It needs tensorboard, but not TensorFlow.

Each run has a folder of its own in --summaries_dir, with `train/` and `validation/`, as in the original, and `test/` with
pictures of the test. So TensorBoard shows runs side by side, and no run changes other files in --summaries_dir.
"""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError
from label_image.softmax import softmax
from retrain.files.atomic import sync
from retrain.formats.event_file import EventFile
from retrain.head.train import Evaluation
from retrain.types import Outcome, Split

MARKER = ".made-by-retrain"  # a file in each such folder, which shows that it is not a class of photos
RUNS = ("train", "validation")  # written during training
TEST = "test"  # written after the test
_BINS = 30
_HISTOGRAM_EVERY = 10  # evaluations
_MOST_NUMBERS = 1_000_000  # of a larger variable, every k-th number is used
_LAYER = "final_training_ops"


class Summaries:
    """Writes the training curves and weight statistics that TensorBoard shows.

    Args:
      folder: the folder of this run in --summaries_dir.

    Raises:
      RunError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / MARKER).touch()
            for run in RUNS:
                (folder / run).mkdir(exist_ok=True)
            self._writers = {run: EventFile(folder / run / name) for run in RUNS}
        except OSError as error:
            raise RunError(f"cannot write --summaries_dir={folder}: {error.strerror or error}") from None
        self._count, self._folder = 0, folder

    def write(self, point: Evaluation) -> None:
        """Adds one evaluation to both runs."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        layer = Summary()
        for name, numbers in (("weights", point.weights), ("biases", point.biases)):
            _scalars(layer, f"{_LAYER}/{name}/summaries", numbers)
            if not self._count % _HISTOGRAM_EVERY:
                _histogram(layer, f"{_LAYER}/{name}/summaries/histogram", numbers)
        self._add("train", point.step, (point.train_accuracy, point.train_loss), point.train_logits, layer)
        if point.validation_count:
            figures = (point.validation_accuracy, point.validation_loss)
            self._add("validation", point.step, figures, point.validation_logits, layer)
        self._count += 1

    def write_network(self, point: Any, weights: dict[str, npt.NDArray[np.float32]]) -> None:
        """Adds one evaluation of a network that is trained end to end, the distribution of its weights, and its first kernels.

        Args:
          point: a `retrain.finetune.loop.Point`.
          weights: float32 arrays, by name.
        """
        from tensorboard.compat.proto.summary_pb2 import Summary

        from retrain.report.first_layer import first_kernels, kernels_picture
        from retrain.report.projector import picture_event

        layers = Summary()
        for name, numbers in weights.items():
            few = numbers.ravel()[:: max(1, numbers.size // _MOST_NUMBERS)]
            _scalars(layers, f"{name}/summaries", few)
            _histogram(layers, f"{name}/summaries/histogram", few)
        self._event("train", point.step, (point.train_accuracy, point.train_loss), layers)
        kernels = first_kernels(weights.values())
        if kernels is not None:
            self._writers["train"].add(picture_event(kernels_picture(kernels), point.step, "first_layer"))
        if point.validation_count:
            self._event("validation", point.step, (point.validation_accuracy, point.validation_loss), Summary())

    def close(self) -> None:
        """Writes all buffered events and flushes them to the disk."""
        for writer in self._writers.values():
            writer.close()
        with contextlib.suppress(OSError):  # an error in writing curves must not end the training
            sync(self._folder)

    def _add(
        self, run: str, step: int, figures: tuple[float, float], logits: npt.NDArray[np.float32], layer: Any
    ) -> None:
        more = type(layer)()
        more.CopyFrom(layer)
        if not self._count % _HISTOGRAM_EVERY:
            _histogram(more, f"{_LAYER}/Wx_plus_b/pre_activations", logits)
            _histogram(more, "activations", softmax(logits))
        self._event(run, step, figures, more)

    def _event(self, run: str, step: int, figures: tuple[float, float], more: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        event = Event(wall_time=time.time(), step=step)
        for tag, figure in zip(("accuracy_1", "cross_entropy_1"), figures, strict=True):
            event.summary.value.add(tag=tag, simple_value=figure)
        event.summary.MergeFrom(more)
        self._writers[run].add(event)


def write_test(folder: Path, features: npt.NDArray[np.float32], split: Split, outcome: Outcome, step: int) -> None:
    """Adds the run `test`: the confusion matrix as a picture, and the test photos in the embedding projector.

    Args:
      folder: the folder of this run in --summaries_dir.
      features: float32 [photos of the split, width].
      split: all photos.
      outcome: the test results; nothing is written if no photo was tested.
      step: the step that was kept.

    Raises:
      RunError: the files cannot be written.
    """
    if not len(outcome.rows):
        return
    from retrain.report.projector import confusion_picture, picture_event, write_projector

    name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}"
    try:
        (folder / TEST).mkdir(parents=True, exist_ok=True)
        (folder / MARKER).touch()
        events = EventFile(folder / TEST / name)
        events.add(picture_event(confusion_picture(split, outcome), step))
        events.close()
        write_projector(folder / TEST, features, split, outcome)
        sync(folder / TEST)
    except OSError as error:
        raise RunError(f"cannot write --summaries_dir={folder}: {error.strerror or error}") from None


def _scalars(summary: Any, tag: str, numbers: npt.NDArray[np.float32]) -> None:
    figures = {"mean": numbers.mean(), "stddev_1": numbers.std(), "max": numbers.max(), "min": numbers.min()}
    for name, figure in figures.items():
        summary.value.add(tag=f"{tag}/{name}", simple_value=float(figure))


def _histogram(summary: Any, tag: str, numbers: npt.NDArray[np.float32]) -> None:
    counts, edges = np.histogram(numbers, bins=_BINS)
    histogram = summary.value.add(tag=tag).histo
    histogram.min, histogram.max = float(numbers.min()), float(numbers.max())
    histogram.num, histogram.sum = float(numbers.size), float(numbers.sum(dtype=np.float64))
    histogram.sum_squares = float(np.square(numbers, dtype=np.float64).sum())
    histogram.bucket_limit.extend(edges[1:].tolist())
    histogram.bucket.extend(counts.astype(float).tolist())
