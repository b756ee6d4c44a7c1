"""Bottlenecks in, a trained Head out: the original's softmax layer, in memory, in NumPy.

Gradient descent on cross-entropy; a batch draws the class first and then a photo of it, with replacement, so that uneven
classes weigh the same, as the original did (its retrain.py). Features are standardised inside the layer and the scaling is
folded into the weights at the end. The step with the best loss on the whole validation list is kept. Weights begin at
zero: the loss is convex, so nothing is gained by the original's random start, and a run is repeatable.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrain.metrics import accuracy, cross_entropy, log_softmax
from retrain.nouns import TRAINING, VALIDATION, Bottlenecks, Curve, Head
from retrain.plan import Plan

Layer = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]  # weights [width, classes], biases [classes]

_SAMPLES_AHEAD = 256  # steps whose batches are drawn in one call


@dataclass(frozen=True)
class Evaluation:
    """What is shown of one step; features are on the standardised scale."""

    step: int
    train_accuracy: float  # 0..1, on the batch just trained, after the update
    train_loss: float  # nats
    validation_accuracy: float  # 0..1, on a drawn batch; nan without a validation list
    validation_loss: float
    validation_count: int
    weights: npt.NDArray[np.float32]  # [width, classes]
    biases: npt.NDArray[np.float32]  # [classes]
    train_logits: npt.NDArray[np.float32]  # [batch, classes]
    validation_logits: npt.NDArray[np.float32]


class Standardiser:
    """Centres each feature and divides it by the root of its variance plus the median variance of all.

    So the features are of one size, but those that hardly vary are not blown up to it: plain standardisation lowers the
    accuracy by half a point on average (docs/decisions.md). A feature that never varies stays 0.
    """

    def __init__(self, features: npt.NDArray[np.float32]) -> None:
        flat = features.reshape(-1, features.shape[-1])
        self.mean: npt.NDArray[np.float32] = flat.mean(axis=0, dtype=np.float64).astype(np.float32)
        variance = flat.var(axis=0, dtype=np.float64)
        spread = np.sqrt(variance + np.median(variance))
        self.scale: npt.NDArray[np.float32] = np.where(variance > 1e-12, 1 / np.maximum(spread, 1e-6), 0).astype(
            np.float32
        )

    def __call__(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """float32 [..., width] -> float32 [..., width]."""
        scaled: npt.NDArray[np.float32] = (features - self.mean) * self.scale
        return scaled

    def folded(
        self, weights: npt.NDArray[np.float32], biases: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The weights and biases that do the same on features as they are."""
        plain = weights * self.scale[:, None]
        shift = self.mean.astype(np.float64) @ plain.astype(np.float64)
        return plain, (biases - shift).astype(np.float32)


class Sampler:
    """Draws photos class first, then within the class, with replacement; or all of them once where size is -1."""

    def __init__(self, label_ids: npt.NDArray[np.int64], classes: int, size: int, rng: np.random.Generator) -> None:
        members = [np.flatnonzero(label_ids == label) for label in range(classes)]
        self._members = [rows for rows in members if len(rows)]
        self._all = np.arange(len(label_ids))
        self._size, self._rng = size, rng
        self._counts = np.array([len(rows) for rows in self._members])
        self._starts = np.concatenate([[0], np.cumsum(self._counts)[:-1]]).astype(np.int64)
        self._order = np.concatenate(self._members) if self._members else self._all
        self._drawn = np.zeros((0, max(size, 0)), np.int64)
        self._next = 0

    def draw(self) -> npt.NDArray[np.int64]:
        """int64 [size]: places in the list it was made with."""
        if self._size < 0 or not self._members:
            return self._all
        if self._next == len(self._drawn):
            shape = (_SAMPLES_AHEAD, self._size)
            classes = self._rng.integers(len(self._members), size=shape)
            within = (self._rng.random(shape) * self._counts[classes]).astype(np.int64)
            self._drawn, self._next = self._order[self._starts[classes] + within], 0
        self._next += 1
        drawn: npt.NDArray[np.int64] = self._drawn[self._next - 1]
        return drawn


def train(
    bottlenecks: Bottlenecks,
    labels: tuple[str, ...],
    plan: Plan,
    on_evaluation: Callable[[Evaluation], None],
    on_snapshot: Callable[[int, Head], None],
) -> Head:
    """Trains the layer.

    Args:
      bottlenecks: features and the list of each photo.
      labels: the classes.
      plan: steps, rate, batch sizes, interval, seed.
      on_evaluation: called at each evaluation.
      on_snapshot: called every --intermediate_store_frequency steps, never at step 0, with the step and the head as it is.

    Ctrl-C ends training there, and what there is becomes the result.
    """
    run = _Training(bottlenecks, len(labels), plan)
    stopped = False
    try:
        for step in range(plan.how_many_training_steps):
            rows = run.step()
            if step % plan.eval_step_interval == 0 or step == plan.how_many_training_steps - 1:
                on_evaluation(run.evaluate(step, rows))
            if step and plan.intermediate_store_frequency and step % plan.intermediate_store_frequency == 0:
                on_snapshot(step, run.head(labels, run.now))
    except KeyboardInterrupt:
        stopped = True
    return run.head(labels, run.best, run.curve(stopped))


class _Training:
    """The state of one training."""

    def __init__(self, bottlenecks: Bottlenecks, classes: int, plan: Plan) -> None:
        rng = np.random.default_rng(plan.seed)
        train_rows, validation_rows = bottlenecks.rows(TRAINING), bottlenecks.rows(VALIDATION)
        # Where there are distorted views, training draws from them alone; view 0 is the photo as it is.
        views = bottlenecks.features[1:] if len(bottlenecks.features) > 1 else bottlenecks.features
        self._ids = bottlenecks.label_ids[train_rows]
        raw = views[:, train_rows]
        self._standardiser = Standardiser(raw)
        self._train = self._standardiser(raw)  # [views, n, width]
        self._validation = self._standardiser(bottlenecks.features[0, validation_rows])
        self._validation_ids = bottlenecks.label_ids[validation_rows]
        self._sampler = Sampler(self._ids, classes, plan.train_batch_size, rng)
        self._validation_sampler = Sampler(
            self._validation_ids, classes, plan.validation_batch_size, np.random.default_rng([plan.seed, 1])
        )
        self._view_rng = np.random.default_rng([plan.seed, 2])
        self._rate = np.float32(plan.learning_rate)
        self._one_hot = np.eye(classes, dtype=np.float32)
        self._weights = np.zeros((raw.shape[-1], classes), np.float32)
        self._biases = np.zeros(classes, np.float32)
        self._kept = (self._weights.copy(), self._biases.copy())
        self._kept_loss, self._kept_step = math.inf, -1
        self._points: list[tuple[int, float, float, float, float]] = []

    def step(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """One step of gradient descent; returns the batch (features, label ids)."""
        drawn = self._sampler.draw()
        views = len(self._train)
        features = (
            self._train[self._view_rng.integers(views, size=len(drawn)), drawn] if views > 1 else self._train[0, drawn]
        )
        label_ids = self._ids[drawn]
        error = np.exp(log_softmax(features @ self._weights + self._biases))
        error -= self._one_hot[label_ids]
        error *= self._rate / np.float32(len(drawn))
        self._weights -= features.T @ error
        self._biases -= error.sum(axis=0)
        return features, label_ids

    def evaluate(self, step: int, batch: tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]) -> Evaluation:
        """Measures the step on its batch and on validation; keeps it if it is the best so far."""
        features, label_ids = batch
        logits = features @ self._weights + self._biases
        all_logits = self._validation @ self._weights + self._biases
        drawn = self._validation_sampler.draw()
        drawn_logits, drawn_ids = all_logits[drawn], self._validation_ids[drawn]
        loss = cross_entropy(all_logits, self._validation_ids)
        if loss < self._kept_loss or math.isnan(loss):  # nan: no validation list, so the last step is kept
            self._kept, self._kept_loss, self._kept_step = (self._weights.copy(), self._biases.copy()), loss, step
        point = Evaluation(
            step,
            accuracy(logits, label_ids),
            cross_entropy(logits, label_ids),
            accuracy(drawn_logits, drawn_ids),
            cross_entropy(drawn_logits, drawn_ids),
            len(drawn_ids),
            self._weights,
            self._biases,
            logits,
            drawn_logits,
        )
        self._points.append(
            (step, point.train_accuracy, point.train_loss, point.validation_accuracy, point.validation_loss)
        )
        return point

    def head(self, labels: tuple[str, ...], layer: Layer, curve: Curve | None = None) -> Head:
        """A Head for features as they are, from weights and biases for standardised ones."""
        weights, biases = self._standardiser.folded(*layer)
        return Head(weights, biases, labels, curve)

    @property
    def now(self) -> Layer:
        """Weights and biases of this step."""
        return self._weights, self._biases

    @property
    def best(self) -> Layer:
        """Weights and biases of the kept step; those of now where nothing was evaluated."""
        return self._kept if self._points else self.now

    def curve(self, stopped: bool) -> Curve:
        steps, train_accuracy, train_loss, validation_accuracy, validation_loss = (
            zip(*self._points, strict=True) if self._points else ((),) * 5
        )
        return Curve(steps, train_accuracy, train_loss, validation_accuracy, validation_loss, self._kept_step, stopped)
