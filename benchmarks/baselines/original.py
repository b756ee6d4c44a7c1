"""Reimplements the original's way of working in our own code on today's TensorFlow, as a baseline.

Each photo is one call of the session, decoded and resized in the graph. Its features are a text file of comma-separated
numbers, which is read and parsed again each time the photo is drawn. Whatever does not affect the results is left out
(summaries, log lines, copying pixels out of TensorFlow and back), so that this is not slower than the original.
`python -m benchmarks.true_original` verifies that.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from label_image.quiet import tensorflow
from retrain.types import TRAINING, VALIDATION, Bottlenecks

INPUT, FEATURES = "input:0", "MobilenetV1/Predictions/Reshape:0"  # in a MobileNet archive; 1,001 numbers for each photo


class Extraction:
    """The graph of a MobileNet archive, ready to run.

    Args:
      frozen_graph: the bytes of its `frozen_graph.pb`.
      size_px: the picture's side.
    """

    def __init__(self, frozen_graph: bytes, size_px: int) -> None:
        tf = tensorflow()
        v1 = tf.compat.v1
        graph = tf.Graph()
        with graph.as_default():
            jpeg = v1.placeholder(tf.string)
            pixels = tf.cast(tf.io.decode_jpeg(jpeg, channels=3), tf.float32)[None]
            scaled = (v1.image.resize_bilinear(pixels, (size_px, size_px)) - 127.5) * (1 / 127.5)
            network = v1.GraphDef.FromString(frozen_graph)
            (features,) = v1.import_graph_def(network, {INPUT: scaled}, [FEATURES], name="network")
        self._run = v1.Session(graph=graph).make_callable(features, [jpeg])

    def features(self, path: str) -> Any:
        """Returns float32 [1001] for one photo."""
        return np.squeeze(self._run(Path(path).read_bytes()))

    def run(self, paths: Sequence[str], folder: Path) -> float:
        """Measures the seconds of writing a text file for each photo into an empty folder, and reading each back."""
        start = time.perf_counter()
        for number, path in enumerate(paths):
            text = folder / f"{number}.txt"
            text.write_text(",".join(map(str, self.features(path))), "ascii")
            _read(text)
        return time.perf_counter() - start


class Training:
    """Trains as the original does: 100 text files in each step, 100 more every 10 steps, and one call of `Session.run` each.

    Args:
      bottlenecks: whose plain view is written as text.
      classes: how many.
      folder: an empty one.
    """

    def __init__(self, bottlenecks: Bottlenecks, classes: int, folder: Path) -> None:
        self._classes, self._folder = classes, folder
        for number, features in enumerate(bottlenecks.features[0]):
            (folder / f"{number}.txt").write_text(",".join(map(str, features)), "ascii")
        self._rows = {
            which: [
                rows
                for label in range(classes)
                if (rows := np.flatnonzero((bottlenecks.lists == which) & (bottlenecks.label_ids == label)).tolist())
            ]
            for which in (TRAINING, VALIDATION)
        }
        self._label_ids = bottlenecks.label_ids
        self._build(bottlenecks.features.shape[-1])

    def _build(self, width: int) -> None:
        tf = tensorflow()
        v1 = tf.compat.v1
        graph = tf.Graph()
        with graph.as_default():
            self._features = v1.placeholder(tf.float32, [None, width])
            self._truth = v1.placeholder(tf.float32, [None, self._classes])
            weights = v1.Variable(tf.random.truncated_normal([width, self._classes], stddev=0.001))
            biases = v1.Variable(tf.zeros([self._classes]))
            logits = tf.matmul(self._features, weights) + biases
            self._loss = tf.reduce_mean(v1.nn.softmax_cross_entropy_with_logits_v2(self._truth, logits))
            self._step = v1.train.GradientDescentOptimizer(0.01).minimize(self._loss)
            right = tf.equal(tf.argmax(logits, 1), tf.argmax(self._truth, 1))
            self._accuracy = tf.reduce_mean(tf.cast(right, tf.float32))
            start = v1.global_variables_initializer()
        self._session = v1.Session(graph=graph)
        self._session.run(start)

    def run(self, steps: int) -> float:
        """Measures the seconds of a number of steps, with an evaluation every 10."""
        start = time.perf_counter()
        for step in range(steps):
            batch = self._draw(TRAINING)
            self._session.run(self._step, batch)
            if step % 10 == 0:
                self._session.run([self._accuracy, self._loss], batch)
                self._session.run(self._accuracy, self._draw(VALIDATION))
        return time.perf_counter() - start

    def _draw(self, which: int) -> dict[Any, Any]:
        """Draws 100 photos, the class first; from the training set if the subset is empty."""
        classes = self._rows[which] or self._rows[TRAINING]
        features, truths = [], []
        for _ in range(100):
            row = random.choice(random.choice(classes))
            truth = np.zeros(self._classes, np.float32)
            truth[self._label_ids[row]] = 1
            features.append(_read(self._folder / f"{row}.txt"))
            truths.append(truth)
        return {self._features: features, self._truth: truths}


def _read(path: Path) -> list[float]:
    with path.open(encoding="ascii") as file:
        return list(map(float, file.read().split(",")))
