"""Bottlenecks in, a trained Head out: the original's softmax layer, in memory, in NumPy.

Gradient descent on cross-entropy; a batch draws the class first and then a photo of it, with replacement, so that uneven
classes weigh the same, as the original did (its retrain.py). Features are standardised inside the layer and the scaling is
folded into the weights at the end. The step with the best loss on the validation list is kept. Weights begin at
zero: the loss is convex, so nothing is gained by the original's random start, and a run is repeatable.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from retrain.metrics import accuracy, cross_entropy, hits, losses, mean
from retrain.nouns import TRAINING, VALIDATION, Bottlenecks, Curve, Head
from retrain.plan import Plan

Layer = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]  # weights [width, classes], biases [classes]
Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]  # standardised features [n, width], label ids [n]

_DRAWN_AHEAD = 25_600  # photos drawn in one call, at least one batch: 256 steps of 100
_ROWS_AT_ONCE = 512
MOST_JUDGES = 2_000  # validation photos that choose the step: the loss is then known to some 2 % of its spread
_FEW_PRODUCTS = 2**24  # multiplications a step below which threads cost more than they give


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
        centre = flat.mean(axis=0, dtype=np.float64)
        variance = np.zeros_like(centre)
        for start in range(0, len(flat), _ROWS_AT_ONCE):  # in pieces: float64 of all of it would not fit
            variance += np.square(flat[start : start + _ROWS_AT_ONCE] - centre).sum(axis=0) / len(flat)
        spread = np.sqrt(variance + np.median(variance))
        self.mean: npt.NDArray[np.float32] = centre.astype(np.float32)
        self.scale: npt.NDArray[np.float32] = np.where(variance > 1e-12, 1 / np.maximum(spread, 1e-6), 0).astype(
            np.float32
        )

    def __call__(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """float32 [..., width] -> float32 [..., width]; works in place, a copy of all features is a lot."""
        features -= self.mean
        features *= self.scale
        return features

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
        self._all = np.arange(len(label_ids))
        self._size, self._rng = size, rng
        counts = np.bincount(label_ids, minlength=classes)
        self._present = np.flatnonzero(counts)  # classes that have photos
        self._counts = counts[self._present]
        self._starts = np.cumsum(self._counts) - self._counts
        self._order = np.argsort(label_ids, kind="stable")  # photos by class; a class begins at its start
        self._drawn = np.zeros((0, max(size, 0)), np.int64)
        self._next = 0

    def draw(self) -> npt.NDArray[np.int64]:
        """int64 [size]: places in the list it was made with."""
        if self._size < 0 or not len(self._all):
            return self._all
        if self._next == len(self._drawn):
            shape = (max(1, _DRAWN_AHEAD // self._size), self._size)
            classes = self._rng.integers(len(self._present), size=shape)
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
    batch_size = plan.train_batch_size if plan.train_batch_size > 0 else len(bottlenecks.label_ids)
    stopped = False
    try:
        with _threads(batch_size * bottlenecks.features.shape[-1] * len(labels)):
            for step in range(plan.how_many_training_steps):
                batch = run.step()
                if step % plan.eval_step_interval == 0 or step == plan.how_many_training_steps - 1:
                    on_evaluation(run.evaluate(step, batch))
                if step and plan.intermediate_store_frequency and step % plan.intermediate_store_frequency == 0:
                    on_snapshot(step, run.head(labels, run.now))
    except KeyboardInterrupt:
        stopped = True
    return run.head(labels, run.best, run.curve(stopped))


@dataclass(frozen=True)
class _Kept:
    """The best step so far."""

    step: int
    loss: float  # on the validation list, or MOST_JUDGES of it
    layer: Layer


class _Training:
    """The state of one training. Logits are [classes, batch] here: NumPy's sums over the first axis are the fast ones."""

    def __init__(self, bottlenecks: Bottlenecks, classes: int, plan: Plan) -> None:
        train_rows, validation_rows = bottlenecks.rows(TRAINING), _judges(bottlenecks.rows(VALIDATION), plan)
        # Where there are distorted views, training draws from them alone; view 0 is the photo as it is.
        views = bottlenecks.features[1:] if len(bottlenecks.features) > 1 else bottlenecks.features
        raw = views[:, train_rows]  # a copy
        self._standardiser = Standardiser(raw)
        self._train = self._standardiser(raw).reshape(-1, raw.shape[-1])  # [views * n, width]
        self._ids = np.tile(bottlenecks.label_ids[train_rows], len(views))  # [views * n]
        self._views = len(views)
        self._validation = self._standardiser(bottlenecks.features[0, validation_rows])
        self._validation_ids = bottlenecks.label_ids[validation_rows]
        self._sampler = Sampler(
            bottlenecks.label_ids[train_rows], classes, plan.train_batch_size, np.random.default_rng(plan.seed)
        )
        self._validation_sampler = Sampler(
            self._validation_ids, classes, plan.validation_batch_size, np.random.default_rng([plan.seed, 1])
        )
        self._view_rng = np.random.default_rng([plan.seed, 2])
        self._rate = np.float32(plan.learning_rate)
        self._weights = np.zeros((classes, raw.shape[-1]), np.float32)
        self._biases = np.zeros((classes, 1), np.float32)
        self._kept: _Kept | None = None
        self._points: list[tuple[int, float, float, float, float]] = []

    def step(self) -> Batch:
        """One step of gradient descent; returns what it was made on."""
        rows = self._sampler.draw()
        if self._views > 1:
            rows = rows + len(self._ids) // self._views * self._view_rng.integers(self._views, size=len(rows))
        features, label_ids = self._train.take(rows, axis=0), self._ids[rows]
        error = self._logits(features)
        error -= error.max(axis=0)
        np.exp(error, out=error)
        error /= error.sum(axis=0)  # softmax
        error[label_ids, np.arange(len(rows))] -= 1
        error *= self._rate / np.float32(len(rows))
        self._weights -= error @ features
        self._biases -= error.sum(axis=1, keepdims=True)
        return features, label_ids

    def evaluate(self, step: int, batch: Batch) -> Evaluation:
        """Measures the step on its batch and on validation; keeps it if it is the best so far."""
        features, label_ids = batch
        logits, all_logits = self._logits(features).T, self._logits(self._validation).T
        loss_of, hit = losses(all_logits, self._validation_ids), hits(all_logits, self._validation_ids)
        drawn = self._validation_sampler.draw()
        loss = mean(loss_of)
        if self._kept is None or loss < self._kept.loss or not len(loss_of):  # without a list the last step is kept
            self._kept = _Kept(step, loss, (self._weights.T.copy(), self._biases[:, 0].copy()))
        point = Evaluation(
            step,
            accuracy(logits, label_ids),
            cross_entropy(logits, label_ids),
            mean(hit[drawn]),
            mean(loss_of[drawn]),
            len(drawn),
            *self.now,
            logits,
            all_logits[drawn],
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
        """Weights and biases of this step; the next one changes them in place."""
        return self._weights.T, self._biases[:, 0]

    @property
    def best(self) -> Layer:
        """Weights and biases of the kept step; those of now where nothing was evaluated."""
        return self._kept.layer if self._kept else self.now

    def curve(self, stopped: bool) -> Curve:
        """What training showed."""
        steps, train_accuracy, train_loss, validation_accuracy, validation_loss = (
            zip(*self._points, strict=True) if self._points else ((),) * 5
        )
        kept_step = self._kept.step if self._kept else -1
        return Curve(steps, train_accuracy, train_loss, validation_accuracy, validation_loss, kept_step, stopped)

    def _logits(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        logits: npt.NDArray[np.float32] = self._weights @ features.T
        logits += self._biases
        return logits


def _judges(rows: npt.NDArray[np.int64], plan: Plan) -> npt.NDArray[np.int64]:
    """The validation photos that judge the steps: all of them, or so many that more would hardly judge otherwise.

    Scoring all photos for all classes at each evaluation would grow with the square of the classes.
    """
    if len(rows) <= MOST_JUDGES or plan.validation_batch_size < 0:
        return rows
    drawn = np.random.default_rng([plan.seed, 4]).choice(rows, MOST_JUDGES, replace=False)
    return np.asarray(np.sort(drawn), np.int64)


def _threads(products: int) -> contextlib.AbstractContextManager[Any]:
    """Keeps a step of few multiplications on one thread.

    OpenBLAS shares out a product of 2**19 multiplications or more. So small a one is not done sooner by two threads, and
    while other programs work they wait for each other: 4,000 steps of 5 classes took 10 to 50 s instead of 0.9 s.
    """
    if products >= _FEW_PRODUCTS:
        return contextlib.nullcontext()
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:  # then it is as slow as NumPy alone
        return contextlib.nullcontext()
    limits: contextlib.AbstractContextManager[Any] = threadpool_limits(1, "blas")
    return limits
