"""Contains the state of one training of the layer, and makes its steps.

Minimises the cross-entropy by gradient descent or another optimizer, with hidden layers if requested (`layers`). For each place in a
batch, a class is drawn first and then a photo of it, with replacement, so that classes of different sizes have equal weight; the
original retrain.py did the same. Features are standardised, and the scaling is folded into the weights at the end. The step with the
lowest loss on the validation set is kept. Without hidden layers, weights start at zero, which makes runs repeatable: the loss is
convex, so the random start of the original has no advantage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import UserError
from retrain.head import lbfgs
from retrain.head.layer_training import LayerTraining
from retrain.head.layers import DenseLayers
from retrain.head.optimizers import optimizer_of
from retrain.head.sampler import Sampler, validation_subset
from retrain.head.schedule import rate_at
from retrain.head.snapshots import Snapshot, damaged, digest_of, read_snapshot
from retrain.head.standardiser import Standardiser
from retrain.head.threads import one_thread_for
from retrain.head.weight_decay import best_decay
from retrain.metrics import accuracy, cross_entropy, hits, losses, mean
from retrain.types import TRAINING, VALIDATION, Bottlenecks, Curve, Dense, Head

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]  # standardised features [n, width], label ids [n]


_COLUMNS = 6  # columns of the evaluations in a snapshot


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of one step; weights and biases are for standardised features."""

    step: int
    train_accuracy: float  # 0..1, on the current training batch, after the update
    train_loss: float  # nats
    validation_accuracy: float  # 0..1, on a random validation batch; NaN without a validation set
    validation_loss: float
    validation_count: int
    weights: npt.NDArray[np.float32]  # [width, classes], weights of the last layer
    biases: npt.NDArray[np.float32]  # [classes]
    train_logits: npt.NDArray[np.float32]  # [batch, classes]
    validation_logits: npt.NDArray[np.float32]


@dataclass(frozen=True)
class _BestStep:
    """The best step so far."""

    step: int
    loss: float  # on the validation subset
    layers: tuple[npt.NDArray[np.float32], ...]  # in the form of DenseLayers.parameters


class Training:
    """The state of one training.

    Args:
      bottlenecks: features, and the subset of each photo.
      classes: the number of classes.
      how: optimizer, learning rate, batch sizes and so on.

    Raises:
      UserError: early stopping has no validation set.
    """

    def __init__(self, bottlenecks: Bottlenecks, classes: int, how: LayerTraining) -> None:
        train_rows = bottlenecks.rows(TRAINING)
        validation_rows = validation_subset(bottlenecks.rows(VALIDATION), how.seed, whole=how.validation_batch_size < 0)
        if how.patience and not len(validation_rows):
            raise UserError(
                f"--early_stopping_steps={how.patience} needs a validation set, which is empty; give --validation_percentage=10, or leave it out"
            )
        # If there are distorted views, only they are used for training; view 0 is the undistorted photo.
        views = bottlenecks.features[1:] if len(bottlenecks.features) > 1 else bottlenecks.features
        raw = views[:, train_rows]  # a copy
        self._how = how
        self._standardiser = Standardiser(raw)
        self._train = self._standardiser(raw).reshape(-1, raw.shape[-1])  # [views * n, width]
        self._ids = np.tile(bottlenecks.label_ids[train_rows], len(views))  # [views * n]
        self._sample_weights = balanced_sample_weights(self._ids) if how.balanced else None
        self._views = len(views)
        self._drawn = how.train_batch_size > 0  # random batches contain each class equally often already
        self._validation = self._standardiser(bottlenecks.features[0, validation_rows])
        self._validation_ids = bottlenecks.label_ids[validation_rows]
        # (seed, 3) is used by the test and (seed, 4) by the validation subset
        self._rngs = [np.random.default_rng(how.seed), *(np.random.default_rng([how.seed, more]) for more in (1, 2, 6))]
        drawing, drawing_validation, self._view_rng, dropping = self._rngs
        self._sampler = Sampler(bottlenecks.label_ids[train_rows], classes, how.train_batch_size, drawing)
        self._validation_sampler = Sampler(self._validation_ids, classes, how.validation_batch_size, drawing_validation)
        self._network = DenseLayers(
            (raw.shape[-1], *how.hidden_layers, classes),
            how.activation,
            how.label_smoothing,
            how.dropout,
            dropping,
            np.random.default_rng([how.seed, 5]),
        )
        self._optimizer = optimizer_of(how.optimizer, how.momentum, self._network.parameters)
        self._kept: _BestStep | None = None
        self._points: list[
            tuple[float, ...]
        ] = []  # the step, four figures for the Curve, the loss that chooses the step

    def step(self, step: int = 0) -> Batch:
        """Makes one step of the optimizer; returns its batch."""
        rows = self._sampler.draw()
        if self._views > 1:
            rows = rows + len(self._ids) // self._views * self._view_rng.integers(self._views, size=len(rows))
        features, label_ids = self._train.take(rows, axis=0), self._ids[rows]
        rate = rate_at(self._how.schedule, step)
        factor = self._optimizer.factor(rate)
        weights = None if self._drawn or self._sample_weights is None else self._sample_weights[rows]
        gradients = self._network.gradients(features, label_ids, factor, weights)
        if self._how.weight_decay:
            for gradient, layer in zip(gradients[::2], self._network.parameters[::2], strict=True):
                gradient += factor * np.float32(self._how.weight_decay) * layer  # noqa: PLW2901 - in place
        self._optimizer.update(self._network.parameters, gradients, rate, step)
        return features, label_ids

    def solve(self) -> tuple[float, int]:
        """Sets the weights to the optimum; returns the weight decay used and the number of iterations."""
        classes = len(self._network.parameters[1])
        problem = lbfgs.Problem(self._train, self._ids, classes, self._how.label_smoothing, self._sample_weights)
        with one_thread_for(self._train.size * lbfgs.AXES):
            axes, on_axes = lbfgs.axes_of(self._train)
        decay = self._how.weight_decay or best_decay(problem, axes, on_axes, self._views)
        layer, iterations = lbfgs.solve(problem, decay, axes=axes)
        for parameter, values in zip(self._network.parameters, (layer[:, :-1], layer[:, -1:]), strict=True):
            parameter[...] = values
        return decay, iterations

    def evaluate(self, step: int, batch: Batch | None = None) -> Evaluation:
        """Evaluates a step on its batch (None: the whole training set) and on validation photos; keeps the best step so far."""
        features, label_ids = batch or (self._train, self._ids)
        logits, all_logits = self._network.logits(features).T, self._network.logits(self._validation).T
        loss_of, hit = losses(all_logits, self._validation_ids), hits(all_logits, self._validation_ids)
        drawn = self._validation_sampler.draw()
        loss = mean(loss_of)
        if (
            self._kept is None or loss < self._kept.loss or not len(loss_of)
        ):  # without a validation set, the last step is kept
            self._kept = _BestStep(step, loss, tuple(parameter.copy() for parameter in self.now))
        point = Evaluation(
            step,
            accuracy(logits, label_ids),
            cross_entropy(logits, label_ids),
            mean(hit[drawn]),
            mean(loss_of[drawn]),
            len(drawn),
            self.now[-2].T,
            self.now[-1][:, 0],
            logits,
            all_logits[drawn],
        )
        figures = (point.train_accuracy, point.train_loss, point.validation_accuracy, point.validation_loss)
        self._points.append((step, *figures, loss))
        return point

    def patience_ended(self, step: int) -> bool:
        """Whether the validation loss has not fallen for `patience` steps."""
        return self._kept is not None and step - self._kept.step >= self._how.patience

    def head(
        self, labels: tuple[str, ...], layers: Sequence[npt.NDArray[np.float32]], curve: Curve | None = None
    ) -> Head:
        """Makes a Head for unscaled features from the parameters for standardised ones."""
        pairs = [(weights.T, biases[:, 0]) for weights, biases in zip(layers[::2], layers[1::2], strict=True)]
        pairs[0] = self._standardiser.folded(*pairs[0])
        hidden = tuple(Dense(np.ascontiguousarray(w), b.copy(), self._how.activation) for w, b in pairs[:-1])
        weights, biases = pairs[-1]
        return Head(np.ascontiguousarray(weights) if hidden else weights, biases.copy(), labels, curve, hidden)

    @property
    def now(self) -> Sequence[npt.NDArray[np.float32]]:
        """Returns the parameters at this step; the next step changes them in place."""
        return self._network.parameters

    @property
    def best(self) -> Sequence[npt.NDArray[np.float32]]:
        """Returns the parameters of the kept step; the current ones if there was no evaluation."""
        return self._kept.layers if self._kept else self.now

    def curve(self, stopped: bool) -> Curve:
        """Returns the learning curve."""
        steps, train_accuracy, train_loss, validation_accuracy, validation_loss, judged_loss = (
            zip(*self._points, strict=True) if self._points else ((),) * _COLUMNS
        )
        kept_step = self._kept.step if self._kept else -1
        return Curve(
            tuple(int(step) for step in steps), train_accuracy, train_loss, validation_accuracy, validation_loss,
            kept_step, stopped, judged_loss=judged_loss, judged_photos=len(self._validation_ids),
        )  # fmt: skip

    def snapshot(self, steps: int) -> Snapshot:
        """Returns everything on which the next step depends."""
        kept = self._kept
        arrays: dict[str, npt.NDArray[Any]] = {
            "points": np.array(self._points, np.float64).reshape(-1, _COLUMNS),
            **{f"sampler_{place}": drawn for place, drawn in enumerate(self._samplers_drawn())},
            **_numbered("parameter", self._network.parameters),
            **_numbered("slot", self._optimizer.slots),
            **_numbered("kept", kept.layers if kept else ()),
        }
        state = {
            "steps": steps,
            "kept": [kept.step, kept.loss] if kept else None,
            "next": [self._sampler.place, self._validation_sampler.place],
            "rngs": [rng.bit_generator.state for rng in self._rngs],
        }
        return Snapshot(
            dict(self._how.asked), self._digest(), state, {name: array.copy() for name, array in arrays.items()}
        )

    def resume(self, path: Path) -> int:
        """Continues from a snapshot; returns the number of steps that were made before it.

        Raises:
          UserError: it is not a snapshot, or was made with different settings or photos.
        """
        found = read_snapshot(path)
        found.check(path, self._how.asked, self._digest(), self._how.steps)
        found.check_like(path, self.snapshot(0))
        try:
            return self._take(found.state, found.arrays)
        except (KeyError, IndexError, TypeError, ValueError, OverflowError):
            raise damaged(path) from None

    def _take(self, state: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> int:
        """Takes over the state of a snapshot; returns the number of steps that were made before it."""
        for name, targets in (("parameter", self._network.parameters), ("slot", self._optimizer.slots)):
            for place, target in enumerate(targets):
                target[...] = arrays[f"{name}_{place}"]
        self._points = [tuple(row) for row in with_judged(arrays["points"]).tolist()]
        if state["kept"]:
            layers = tuple(arrays[f"kept_{place}"] for place in range(len(self._network.parameters)))
            self._kept = _BestStep(state["kept"][0], state["kept"][1], layers)
        for place, sampler in enumerate((self._sampler, self._validation_sampler)):
            sampler.go_to(arrays[f"sampler_{place}"], state["next"][place])
        for rng, known in zip(self._rngs, state["rngs"], strict=True):
            rng.bit_generator.state = known
        return int(state["steps"])

    def _samplers_drawn(self) -> list[npt.NDArray[np.int64]]:
        return [self._sampler.drawn, self._validation_sampler.drawn]

    def _digest(self) -> str:
        return digest_of((self._train, self._ids, self._validation, self._validation_ids))


def _numbered(name: str, arrays: Sequence[npt.NDArray[np.float32]]) -> dict[str, npt.NDArray[np.float32]]:
    return {f"{name}_{place}": array for place, array in enumerate(arrays)}


def with_judged(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns the evaluations of a snapshot; snapshots of an earlier version lack the validation subset's losses, which become NaN."""
    missing = _COLUMNS - points.shape[1]
    return np.pad(points, ((0, 0), (0, missing)), constant_values=np.nan) if missing > 0 else points


def balanced_sample_weights(label_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Computes sample weights that balance the classes: float32 [n], of mean 1.

    >>> balanced_sample_weights(np.array([0, 0, 0, 0, 1, 2])).tolist()
    [0.5, 0.5, 0.5, 0.5, 2.0, 2.0]
    """
    counts = np.bincount(label_ids)
    return (len(label_ids) / (np.count_nonzero(counts) * counts[label_ids])).astype(np.float32)
