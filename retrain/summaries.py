"""Evaluations in, TensorBoard event files out, with the original's tags; tensorboard's own writer, no TensorFlow.

`train/` and `validation/` below --summaries_dir, as the original's. A folder there that this tool did not make is never
touched: a marker file says which are ours, and of those only old event files are removed.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError, UserError
from retrain.head import Evaluation

MARKER = ".made-by-retrain"
RUNS = ("train", "validation")
_BINS = 30
_HISTOGRAM_EVERY = 10  # evaluations
_LAYER = "final_training_ops"


class Summaries:
    """Writes what TensorBoard shows.

    Args:
      folder: --summaries_dir.

    Raises:
      UserError: the folder holds files that are not ours.
      RunError: it can not be written.
    """

    def __init__(self, folder: Path) -> None:
        check_folder(folder)
        try:
            for run in RUNS:
                (folder / run).mkdir(parents=True, exist_ok=True)
                for old in (folder / run).glob("events.out.tfevents.*"):
                    old.unlink()
            (folder / MARKER).touch()
            self._writers = {run: EventFile(folder / run) for run in RUNS}
        except OSError as error:
            raise RunError(f"cannot write --summaries_dir={folder}: {error.strerror or error}") from None
        self._count = 0

    def write(self, point: Evaluation) -> None:
        """Adds one evaluation to both runs."""
        self._add("train", point.step, point.train_accuracy, point.train_loss, self._layer(point, point.train_logits))
        if point.validation_count:
            values = self._layer(point, point.validation_logits)
            self._add("validation", point.step, point.validation_accuracy, point.validation_loss, values)
        self._count += 1

    def close(self) -> None:
        """Writes what is still waiting."""
        for writer in self._writers.values():
            writer.close()

    def _layer(self, point: Evaluation, logits: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        layer = {f"{_LAYER}/weights": point.weights, f"{_LAYER}/biases": point.biases}
        if self._count % _HISTOGRAM_EVERY:
            return layer
        from retrain.metrics import softmax

        return {**layer, f"{_LAYER}/Wx_plus_b/pre_activations": logits, "activations": softmax(logits)}

    def _add(
        self, run: str, step: int, accuracy: float, loss: float, values: dict[str, npt.NDArray[np.float32]]
    ) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary()
        summary.value.add(tag="accuracy_1", simple_value=accuracy)
        summary.value.add(tag="cross_entropy_1", simple_value=loss)
        for tag, numbers in values.items():
            if tag.endswith(("weights", "biases")):
                _scalars(summary, tag, numbers)
                tag = f"{tag}/summaries/histogram"  # noqa: PLW2901 - the original's tag
            if not self._count % _HISTOGRAM_EVERY:
                _histogram(summary.value.add(tag=tag).histo, numbers)
        self._writers[run].add(Event(wall_time=time.time(), step=step, summary=summary))


class EventFile:
    """One event file, in tensorboard's record format. Its EventFileWriter would import TensorFlow where it is installed."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        now = time.time()
        self._writer: Any = RecordWriter((folder / f"events.out.tfevents.{int(now)}.{socket.gethostname()}").open("wb"))
        self.add(Event(wall_time=now, file_version="brain.Event:2"))

    def add(self, event: Any) -> None:
        """Adds an Event."""
        self._writer.write(event.SerializeToString())

    def close(self) -> None:
        """Writes what is still waiting."""
        self._writer.close()


def check_folder(folder: Path) -> None:
    """Refuses a folder that is not ours.

    Raises:
      UserError: it holds something and no marker of ours.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"cannot write --summaries_dir={folder}: it is a file; choose another folder")
    if folder.is_dir() and not (folder / MARKER).exists() and any(folder.iterdir()):
        names = ", ".join(sorted(path.name for path in folder.iterdir())[:3])
        raise UserError(
            f"cannot write --summaries_dir={folder}: it holds files that this tool did not make ({names}); choose another folder, or empty it yourself"
        )


def _scalars(summary: Any, tag: str, numbers: npt.NDArray[np.float32]) -> None:
    figures = {"mean": numbers.mean(), "stddev_1": numbers.std(), "max": numbers.max(), "min": numbers.min()}
    for name, figure in figures.items():
        summary.value.add(tag=f"{tag}/summaries/{name}", simple_value=float(figure))


def _histogram(histogram: Any, numbers: npt.NDArray[np.float32]) -> None:
    counts, edges = np.histogram(numbers, bins=_BINS)
    histogram.min, histogram.max = float(numbers.min()), float(numbers.max())
    histogram.num, histogram.sum = float(numbers.size), float(numbers.sum(dtype=np.float64))
    histogram.sum_squares = float(np.square(numbers, dtype=np.float64).sum())
    histogram.bucket_limit.extend(edges[1:].tolist())
    histogram.bucket.extend(counts.astype(float).tolist())
