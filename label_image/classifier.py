"""The class Classifier: labels photos from Python.

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
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import NoScoresError, PhotoError, RunError, UserError
from label_image.find_metadata import Overrides, fit_labels, metadata_of, open_model
from label_image.find_run import HOME
from label_image.model_file import ModelFile, settled
from label_image.model_kinds.reader import Runner
from label_image.model_kinds.table import MODEL_KINDS, ModelKind, kind_named
from label_image.model_metadata import Metadata
from label_image.photo_pixels import decode, encoded, in_order, laid_out, normalise
from label_image.softmax import softmax
from label_image.workers import cores, map_ordered

# The fastest to start comes first: a `.tflite` labels within 0.2 s, a `.pb` has to import TensorFlow.
DEFAULT_GRAPHS = tuple(f"{HOME}/{row.kept}" for row in MODEL_KINDS if row.default)

ReadsPhoto = Callable[[], bytes]  # returns the bytes of a photo's file, or raises PhotoError


@dataclass(frozen=True)
class Prediction:
    """The labels and scores of one photo."""

    image: str  # the path as given, or "" for bytes
    labels: tuple[str, ...]
    scores: npt.NDArray[np.float32]  # float32 [classes]; empty where error is set
    seconds: float  # time of the network alone, without decoding
    error: PhotoError | None = None

    def top(self, k: int) -> list[tuple[str, float]]:
        """Returns the k best labels with their scores, best first; ties keep label order."""
        return [(self.labels[index], float(self.scores[index])) for index in top_k(self.scores, k)]


def top_k(scores: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.int64]:
    """Ranks the classes of one photo.

    Args:
      scores: float32 [classes].
      k: how many to keep; a number above the number of classes keeps all.

    Returns:
      int64 [min(k, classes)], best first; ties keep label order.

    >>> top_k(np.float32([0.2, 0.5, 0.3, 0.5]), 3).tolist()
    [1, 3, 2]
    """
    return np.argsort(-scores, kind="stable")[:k]


class Classifier:
    """Labels photos with a classifier from a file or folder.

    The file is read once: even if it is replaced later, this object keeps its network and its labels.

    Args:
      graph: a `.tflite`, a `.pb` or a SavedModel folder; "" uses the classifier that `python -m retrain` wrote into tf_files.
      overrides: values that the file lacks or states wrongly.
      threads: number of workers for many photos; 0 means one per core.

    Raises:
      UserError: the file does not exist, or the labels do not fit it.
      RunError: no installed runtime can run the file.
    """

    def __init__(self, graph: str | Path = "", overrides: Overrides | None = None, threads: int = 0) -> None:
        self.path = Path(graph) if graph else default_graph()
        self._threads = threads or cores()
        self.source: ModelFile
        self._kind: ModelKind
        self.metadata: Metadata
        self._shared: Runner
        settled(self.path, lambda: self._open(overrides or Overrides()))
        self.kind = self.source.kind
        self._lock = threading.Lock()
        self._labels: tuple[str, ...] = ()

    def _open(self, overrides: Overrides) -> bool:
        """Reads the classifier; returns whether everything came from a single read of a single file."""
        self.source = open_model(self.path)
        self._kind = kind_named(self.source.kind)
        self.metadata = metadata_of(self.source, overrides)
        # The output for a test picture, if a file of unknown origin has to be tried out in another process first.
        answer = self._kind.reader.trial(self.source, self.metadata, self._drawn)
        self._shared = self.open_runner()
        if self.metadata.inspected and not overrides.output_layer:
            self._check_purpose(answer)
        return not self.metadata.inspected and not self._kind.inside

    def _check_purpose(self, answer: npt.NDArray[np.float32] | None) -> None:
        """Raises RunError if the network's output for a test picture shows that it is not a classifier."""
        if self.metadata.dtype == "string" or self.metadata.output == "unset":
            return
        from label_image.detectors.purpose import Output, purpose_by_scores, refusal

        values = getattr(self._shared, "values", None)
        answer = values(self._drawn()) if answer is None and values is not None else answer
        what = "" if answer is None else purpose_by_scores(self.metadata, answer)
        if answer is not None and what:
            made = Output(self.metadata.output_layer, answer.shape, self.metadata.output)
            raise RunError(refusal(self.path, what, [made]))

    def _drawn(self) -> npt.NDArray[np.float32]:
        """Makes a test picture in the form of the network's input: noise, always the same."""
        size = (self.metadata.height_px, self.metadata.width_px, 3)
        return self._prepared(np.random.default_rng(0).integers(0, 256, size, np.uint8))

    def classify(self, image: str | Path | bytes) -> Prediction:
        """Labels one photo.

        Args:
          image: a path, or the bytes of a file.

        Raises:
          PhotoError: the photo cannot be read.
          NoScoresError: a score is NaN or infinite.
        """
        prediction = self._answer(image, self._shared)
        if prediction.error:
            raise prediction.error
        return prediction

    def classify_all(self, images: Iterable[str | Path | ReadsPhoto]) -> Iterator[Prediction]:
        """Labels photos in parallel and yields the predictions in the order given. A photo that fails has its `error` set.

        Args:
          images: paths; or functions that return a file's bytes or raise PhotoError, which a worker calls.
        """

        def make_worker() -> Callable[[str | Path | ReadsPhoto], Prediction]:
            runner = self.open_runner() if self._kind.reader.runner_each else self._shared
            return lambda image: self._answer(image, runner)

        return map_ordered(make_worker, images, self._threads)

    def scores(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Runs the network on pixels: float32 [n, height, width, 3], 0..255 -> float32 [n, classes].

        Raises:
          RunError: a score is NaN or infinite.
        """
        with self._lock:
            rows = self._shared.scores(np.stack([self._prepared(image) for image in batch]))
        scores = np.stack([_finished(row, self.metadata.output) for row in rows])
        if problem := _no_scores(scores):
            raise RunError(f"cannot use {self.path}: {problem}")
        return scores

    def open_runner(self) -> Runner:
        """Creates a runner for one more caller."""
        return self._kind.reader.open_runner(self.source, self.metadata)

    def _answer(self, image: str | Path | bytes | ReadsPhoto, runner: Runner) -> Prediction:
        name = str(image) if isinstance(image, (str, Path)) else ""
        try:
            ready = self.ready(image() if callable(image) else image)
        except PhotoError as error:
            return Prediction(name, (), np.zeros(0, np.float32), 0.0, error)
        start = time.perf_counter()
        raw = runner.scores_of_file(ready) if isinstance(ready, bytes) else runner.scores(ready[None])[0]  # type: ignore[attr-defined]
        seconds = time.perf_counter() - start
        scores = _finished(raw, self.metadata.output)
        if problem := _no_scores(scores):
            return Prediction(name, (), np.zeros(0, np.float32), seconds, NoScoresError("no scores", problem))
        return Prediction(name, self._labels_for(len(scores)), scores, seconds)

    def ready(self, image: str | Path | bytes) -> npt.NDArray[np.float32] | bytes:
        """Prepares a photo as the network's input, without a batch axis; the file's bytes if the network decodes them itself."""
        metadata = self.metadata
        if metadata.dtype == "string":
            return encoded(image)
        return self._prepared(decode(image, metadata.height_px, metadata.width_px, metadata.crop_px))

    def _prepared(self, pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Converts RGB pixels [height, width, 3], 0..255, to the channels, range and axes that the metadata states."""
        metadata = self.metadata
        return laid_out(normalise(in_order(pixels, metadata.order), metadata.mean, metadata.std), metadata.layout)

    def _labels_for(self, outputs: int) -> tuple[str, ...]:
        """Returns the labels after checking that there is one per output.

        Raises:
          RunError: the number of labels differs from the number of outputs; the message states both.
        """
        if len(self._labels) != outputs:
            labels = self.metadata.labels or tuple(f"class {index}" for index in range(outputs))
            self._labels = fit_labels(labels, outputs, self.path)
        return self._labels


def _finished(raw: npt.NDArray[np.float32], output: str) -> npt.NDArray[np.float32]:
    """Converts a network's output to scores: applies softmax to logits, and expands the single output of a two-class network to two scores.

    >>> _finished(np.float32([0.25]), "sigmoid").tolist(), _finished(np.float32([1, 1]), "logits").tolist()
    ([0.75, 0.25], [0.5, 0.5])
    """
    if output == "unset":
        return np.full_like(raw, np.nan)
    with np.errstate(all="ignore"):  # infinities become NaN, which is reported as the photo's error
        if raw.size == 1 and output != "as is":
            positive = raw if output != "logits" else 1 / (1 + np.exp(-np.clip(raw, -80, 80)))
            return np.concatenate([1 - positive, positive]).astype(np.float32)
        if output == "logits":
            return softmax(raw)
        return raw


def _no_scores(scores: npt.NDArray[np.float32]) -> str:
    """Describes scores that are NaN or infinite; "" if all are finite.

    >>> _no_scores(np.float32([0.5, np.nan])), _no_scores(np.float32([0.5, 0.5]))
    ('the network outputs NaN in 1 of 2 scores', '')
    """
    bad = scores[~np.isfinite(scores)]
    if not bad.size:
        return ""
    what = "NaN" if np.isnan(bad).any() else "infinity"
    return f"the network outputs {what} in {bad.size} of {scores.size} scores"


def default_graph() -> Path:
    """Finds the classifier that `python -m retrain` wrote in the current folder.

    Raises:
      UserError: no classifier was trained in this folder yet.
    """
    for name in DEFAULT_GRAPHS:
        if Path(name).exists():
            return Path(name)
    raise UserError(
        f"cannot find a trained classifier: there is neither {' nor '.join(DEFAULT_GRAPHS)}; "
        "train one (python -m retrain --image_dir YOUR_PHOTOS), or give one with --graph"
    )
