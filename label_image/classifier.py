"""Photos in, ranked labels out: the Python interface of label_image.

from label_image import Classifier
classifier = Classifier("tf_files/retrained.tflite")
print(classifier.classify("daisy.jpg").top(1))
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from label_image.card import Card
from label_image.errors import PhotoError, UserError
from label_image.inspect import Overrides, card_of, fit_labels, kind_of
from label_image.pixels import decode, encoded, in_order, laid_out, normalise
from label_image.workers import cores, map_ordered

# Light first: a `.tflite` labels in 0.2 s, a `.pb` has to import TensorFlow.
DEFAULT_GRAPHS = ("tf_files/retrained.tflite", "tf_files/retrained_graph.pb")


class Runner(Protocol):
    """What runs a network."""

    name: str

    def scores(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """float32 [n, height, width, channels] -> float32 [n, outputs]."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one photo."""

    image: str  # what was asked: the path, or "" for bytes
    labels: tuple[str, ...]
    scores: npt.NDArray[np.float32]  # float32 [classes]; empty where error is set
    seconds: float  # in the network alone, without decoding
    error: PhotoError | None = None

    def top(self, k: int) -> list[tuple[str, float]]:
        """The k best labels with their scores, best first; ties keep label order."""
        return [(self.labels[index], float(self.scores[index])) for index in top_k(self.scores, k)]


def top_k(scores: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.int64]:
    """Ranks the classes of one photo.

    Args:
      scores: float32 [classes].
      k: how many to keep; more than there are classes keeps all.

    Returns:
      int64 [min(k, classes)], best first; ties keep label order.

    >>> top_k(np.float32([0.2, 0.5, 0.3, 0.5]), 3).tolist()
    [1, 3, 2]
    """
    return np.argsort(-scores, kind="stable")[:k]


class Classifier:
    """A classifier on disk, ready to label photos.

    Args:
      graph: a `.tflite`, a `.pb` or a SavedModel folder; "" takes what `python -m retrain` left in tf_files.
      overrides: what the file does not say, or says wrongly.
      threads: workers for many photos; 0 is one a core.

    Raises:
      UserError: no such file, or labels that do not fit it.
      RunError: a file that no runtime here can run.
    """

    def __init__(self, graph: str | Path = "", overrides: Overrides | None = None, threads: int = 0) -> None:
        self.path = Path(graph) if graph else default_graph()
        self.card: Card = card_of(self.path, overrides or Overrides())
        self.kind = kind_of(self.path)
        self._threads = threads or cores()
        self._shared = self.open_runner()
        self._lock = threading.Lock()
        self._labels: tuple[str, ...] = ()

    def classify(self, image: str | Path | bytes) -> Prediction:
        """Labels one photo.

        Args:
          image: a path, or the bytes of a file.

        Raises:
          PhotoError: if the photo can not be read.
        """
        prediction = self._answer(image, self._shared)
        if prediction.error:
            raise prediction.error
        return prediction

    def classify_all(self, images: Iterable[str | Path]) -> Iterator[Prediction]:
        """Labels photos with a worker a core; yields in the order given. A bad photo has its `error` set."""

        def make_worker() -> Callable[[str | Path], Prediction]:
            # TensorFlow spreads one network over the cores itself; the others get an interpreter a worker.
            runner = self.open_runner() if self.kind in ("tflite", "onnx") else self._shared
            return lambda image: self._answer(image, runner)

        return map_ordered(make_worker, images, self._threads)

    def scores(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Runs the network on pixels: float32 [n, height, width, 3], 0..255 -> float32 [n, classes]."""
        with self._lock:
            rows = self._shared.scores(np.stack([self._prepared(image) for image in batch]))
        return np.stack([_finished(row, self.card.output) for row in rows])

    def open_runner(self) -> Runner:
        """A runner of its own for one more caller."""
        if self.kind == "tflite":
            from label_image.runners.litert import LitertRunner

            return LitertRunner(self.path, 1, self.card.input_layer, self.card.output_layer)
        if self.kind == "onnx":
            from label_image.runners.onnx import OnnxRunner

            return OnnxRunner(self.path)
        if self.card.inspected:
            from label_image.runners.frozen import FrozenRunner

            return FrozenRunner(self.path, self.kind, self.card.input_layer, self.card.output_layer)
        if self.kind == "saved_model":
            from label_image.runners.saved_model import SavedModelRunner

            return SavedModelRunner(self.path)
        from label_image.runners.tensorflow import GraphRunner

        return GraphRunner(self.path, self.card.input_layer, self.card.output_layer)

    def _answer(self, image: str | Path | bytes, runner: Runner) -> Prediction:
        name = "" if isinstance(image, bytes) else str(image)
        try:
            ready = self.ready(image)
        except PhotoError as error:
            return Prediction(name, (), np.zeros(0, np.float32), 0.0, error)
        start = time.perf_counter()
        raw = runner.scores_of_file(ready) if isinstance(ready, bytes) else runner.scores(ready[None])[0]  # type: ignore[attr-defined]
        seconds = time.perf_counter() - start
        scores = _finished(raw, self.card.output)
        return Prediction(name, self._labels_for(len(scores)), scores, seconds)

    def ready(self, image: str | Path | bytes) -> npt.NDArray[np.float32] | bytes:
        """A photo as the network takes it, without a batch; the file's bytes where it reads them itself."""
        card = self.card
        if card.dtype == "string":
            return encoded(image)
        return self._prepared(decode(image, card.height_px, card.width_px, card.crop_px))

    def _prepared(self, pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """RGB [height, width, 3], 0..255 -> the channels, range and axes that the card says."""
        card = self.card
        return laid_out(normalise(in_order(pixels, card.order), card.mean, card.std), card.layout)

    def _labels_for(self, outputs: int) -> tuple[str, ...]:
        """The labels, once they are known to fit.

        Raises:
          RunError: as many labels as outputs are needed; both numbers are said.
        """
        if len(self._labels) != outputs:
            labels = self.card.labels or tuple(f"class {index}" for index in range(outputs))
            self._labels = fit_labels(labels, outputs, self.path)
        return self._labels


def _finished(raw: npt.NDArray[np.float32], output: str) -> npt.NDArray[np.float32]:
    """What a network gives -> scores: logits through a softmax, one number for two classes as both of their scores.

    >>> _finished(np.float32([0.25]), "sigmoid").tolist(), _finished(np.float32([1, 1]), "logits").tolist()
    ([0.75, 0.25], [0.5, 0.5])
    """
    if raw.size == 1 and output != "as is":
        share = raw if output != "logits" else 1 / (1 + np.exp(-np.clip(raw, -80, 80)))
        return np.concatenate([1 - share, share]).astype(np.float32)
    if output == "logits":
        powers = np.exp(raw - raw.max())
        return np.asarray(powers / powers.sum(), np.float32)
    return raw


def default_graph() -> Path:
    """What `python -m retrain` left here.

    Raises:
      UserError: nothing was trained in this folder yet.
    """
    for name in DEFAULT_GRAPHS:
        if Path(name).exists():
            return Path(name)
    raise UserError(
        f"no trained classifier here: neither {' nor '.join(DEFAULT_GRAPHS)}; "
        "train one (python -m retrain --image_dir YOUR_PHOTOS), or give one with --graph"
    )
