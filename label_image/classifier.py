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
from label_image.detectors.checksum import is_ours
from label_image.errors import NoScoresError, PhotoError, RunError, UserError
from label_image.inspect import Overrides, card_of, fit_labels, source_of
from label_image.pixels import decode, encoded, in_order, laid_out, normalise
from label_image.softmax import softmax
from label_image.source import Source, settled
from label_image.workers import cores, map_ordered

# Light first: a `.tflite` labels in 0.2 s, a `.pb` has to import TensorFlow.
DEFAULT_GRAPHS = ("tf_files/retrained.tflite", "tf_files/retrained_graph.pb")

ReadsPhoto = Callable[[], bytes]  # gives a photo file's bytes, or raises PhotoError


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

    It is read once: whatever is at its path later, one Classifier answers with one network and one set of labels.

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
        self._threads = threads or cores()
        self.source: Source
        self.card: Card
        self._shared: Runner
        settled(self.path, lambda: self._open(overrides or Overrides()))
        self.kind = self.source.kind
        self._lock = threading.Lock()
        self._labels: tuple[str, ...] = ()

    def _open(self, overrides: Overrides) -> bool:
        """Reads all that is at the path; returns whether it came out of one reading of one file."""
        self.source = source_of(self.path)
        self.card = card_of(self.source, overrides)
        answer = self._tried()
        self._shared = self.open_runner()
        if self.card.inspected and not overrides.output_layer:
            self._check_purpose(answer)
        return not self.card.inspected and self.source.kind != "saved_model"

    def _tried(self) -> npt.NDArray[np.float32] | None:
        """What a stranger's `.tflite` gives for a drawn picture, in a child process; None where that is not needed.

        Raises:
          RunError: it is damaged, so much that it ends the process or since it was written.
        """
        if self.source.kind != "tflite" or is_ours(self.source):
            return None
        from label_image.runners.trial import tried

        ends = (self.card.input_layer, self.card.output_layer)
        return tried(self.path, self.source.data, ends, self._drawn())

    def _check_purpose(self, answer: npt.NDArray[np.float32] | None) -> None:
        """Raises RunError where the network seems to be no classifier, by what it gives for a drawn picture."""
        if self.card.dtype == "string" or self.card.output == "unset":
            return
        from label_image.detectors.purpose import Output, refusal, seems_by_answer

        values = getattr(self._shared, "values", None)
        answer = values(self._drawn()) if answer is None and values is not None else answer
        what = "" if answer is None else seems_by_answer(self.card, answer)
        if what:
            raise RunError(refusal(self.path, what, [Output(self.card.output_layer, answer.shape, self.card.output)]))  # type: ignore[union-attr]

    def _drawn(self) -> npt.NDArray[np.float32]:
        """A picture as the network takes it: noise, the same each time."""
        size = (self.card.height_px, self.card.width_px, 3)
        return self._prepared(np.random.default_rng(0).integers(0, 256, size, np.uint8))

    def classify(self, image: str | Path | bytes) -> Prediction:
        """Labels one photo.

        Args:
          image: a path, or the bytes of a file.

        Raises:
          PhotoError: if the photo can not be read.
          NoScoresError: if the network answers with something that is no number.
        """
        prediction = self._answer(image, self._shared)
        if prediction.error:
            raise prediction.error
        return prediction

    def classify_all(self, images: Iterable[str | Path | ReadsPhoto]) -> Iterator[Prediction]:
        """Labels photos with a worker a core; yields in the order given. A bad photo has its `error` set.

        Args:
          images: paths; or functions that give a file's bytes or raise PhotoError, which a worker calls when it is their turn.
        """

        def make_worker() -> Callable[[str | Path | ReadsPhoto], Prediction]:
            # TensorFlow spreads one network over the cores itself, ONNX Runtime lets threads share it; LiteRT wants an
            # interpreter a worker, all of which read the same bytes.
            runner = self.open_runner() if self.kind == "tflite" else self._shared
            return lambda image: self._answer(image, runner)

        return map_ordered(make_worker, images, self._threads)

    def scores(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Runs the network on pixels: float32 [n, height, width, 3], 0..255 -> float32 [n, classes].

        Raises:
          RunError: a score is no number.
        """
        with self._lock:
            rows = self._shared.scores(np.stack([self._prepared(image) for image in batch]))
        scores = np.stack([_finished(row, self.card.output) for row in rows])
        if problem := _no_scores(scores):
            raise RunError(f"cannot use {self.path}: {problem}")
        return scores

    def open_runner(self) -> Runner:
        """A runner of its own for one more caller."""
        source, ends = self.source, (self.card.input_layer, self.card.output_layer)
        if source.kind == "tflite":
            from label_image.runners.litert import LitertRunner

            return LitertRunner(source.path, 1, *ends, content=source.data)
        if source.kind == "onnx":
            from label_image.runners.onnx import opened_onnx

            return opened_onnx(source)
        if self.card.inspected:
            from label_image.runners.frozen import FrozenRunner

            return FrozenRunner(source, *ends)
        if source.kind == "saved_model":
            from label_image.runners.saved_model import SavedModelRunner

            return SavedModelRunner(source.path)
        from label_image.detectors.opened import opened
        from label_image.runners.tensorflow import GraphRunner

        return GraphRunner(source.path, *ends, graph_def=opened(source).net.graph_def)

    def _answer(self, image: str | Path | bytes | ReadsPhoto, runner: Runner) -> Prediction:
        name = str(image) if isinstance(image, (str, Path)) else ""
        try:
            ready = self.ready(image() if callable(image) else image)
        except PhotoError as error:
            return Prediction(name, (), np.zeros(0, np.float32), 0.0, error)
        start = time.perf_counter()
        raw = runner.scores_of_file(ready) if isinstance(ready, bytes) else runner.scores(ready[None])[0]  # type: ignore[attr-defined]
        seconds = time.perf_counter() - start
        scores = _finished(raw, self.card.output)
        if problem := _no_scores(scores):
            return Prediction(name, (), np.zeros(0, np.float32), seconds, NoScoresError("no scores", problem))
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
    if output == "unset":
        return np.full_like(raw, np.nan)
    with np.errstate(all="ignore"):  # infinities become what is no number, and that is said of the photo
        if raw.size == 1 and output != "as is":
            share = raw if output != "logits" else 1 / (1 + np.exp(-np.clip(raw, -80, 80)))
            return np.concatenate([1 - share, share]).astype(np.float32)
        if output == "logits":
            return softmax(raw)
        return raw


def _no_scores(scores: npt.NDArray[np.float32]) -> str:
    """What is wrong with scores that are no numbers; "" where all are.

    >>> _no_scores(np.float32([0.5, np.nan])), _no_scores(np.float32([0.5, 0.5]))
    ('the network answers NaN in 1 of 2 scores, which is no answer', '')
    """
    bad = scores[~np.isfinite(scores)]
    if not bad.size:
        return ""
    what = "NaN" if np.isnan(bad).any() else "infinity"
    return f"the network answers {what} in {bad.size} of {scores.size} scores, which is no answer"


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
