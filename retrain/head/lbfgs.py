"""Finds the optimum of the softmax layer on standardised features: multinomial logistic regression, solved by SciPy's L-BFGS.

Minimises the mean cross-entropy plus decay / 2 times the sum of the squared weights (without the biases), in float64. The problem
is convex and has a single optimum, so no seed, learning rate or number of steps is needed. Few iterations are needed because
the problem is preconditioned: along an axis on which the features have variance s, the curvature of the loss is about
p (1 - p) s + decay.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import UserError
from retrain.head.principal_axes import range_of
from retrain.head.threads import one_thread_for

AXES = 512  # number of axes that have a preconditioning factor of their own
_GRADIENT = 1e-6  # the optimum is reached if no component of the preconditioned gradient is larger
_CURVATURE = 0.1  # p (1 - p) of a typical score p; it affects only the time
_MOST_ITERATIONS = 2000
_NUMBERS_AT_ONCE = 2**22  # logits computed in one block

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """The photos and settings of a classification problem."""

    features: npt.NDArray[np.float32]  # [n, width], standardised
    label_ids: npt.NDArray[np.int64]  # [n]
    classes: int
    smoothing: float = 0.0  # label smoothing, 0..1
    sample_weights: npt.NDArray[np.float32] | None = None  # [n], with mean 1; None means 1 for each


@dataclass(frozen=True)
class Axes:
    """The principal axes of features."""

    vectors: Array | None  # [width, axes], orthonormal; None if the features are projected on them already
    variances: Array  # [axes]
    rest: float  # the mean variance in the directions orthogonal to all axes


def check_installed() -> None:
    """Checks before the work that SciPy is installed.

    Raises:
      UserError: SciPy is not installed.
    """
    if importlib.util.find_spec("scipy") is None:
        raise UserError(
            "cannot train with --optimizer=lbfgs: SciPy is not installed; pip install 'scipy>=1.11,<2', or leave --optimizer out"
        )


def solve(problem: Problem, decay: float, start: Array | None = None, axes: Axes | None = None) -> tuple[Array, int]:
    """Finds the optimum.

    Args:
      problem: the photos.
      decay: more than 0.
      start: float64 [classes, width + 1], initial weights; None means zeros. Affects the time, not the result.
      axes: the principal axes of the features, if they are known already.

    Returns:
      float64 [classes, width + 1], the weights with the biases in the last column, and the number of iterations.
    """
    with one_thread_for():  # products of a matrix and a few columns are limited by memory bandwidth, not by computation
        known = axes or axes_of(problem.features)[0]
        return minimise(Terms([problem], np.float64), decay, known, start, _GRADIENT)


def axes_of(features: npt.NDArray[np.float32]) -> tuple[Axes, npt.NDArray[np.float32]]:
    """Computes the principal axes of features with mean 0, and the features projected on them, float32 [n, axes]."""
    count, width = features.shape
    kept = min(AXES, count, width)
    span = range_of(lambda: [features], width, kept)
    sketch = features @ span
    variances, turn = np.linalg.eigh(sketch.T @ sketch / np.float32(count))
    turn, variances = turn[:, ::-1][:, :kept], np.maximum(variances[::-1][:kept], 0).astype(np.float64)
    left = float(np.einsum("ij,ij->", features, features, dtype=np.float64)) / count - variances.sum()
    axes = Axes((span @ turn).astype(np.float64), variances, max(left, 0.0) / max(width - kept, 1))
    return axes, sketch @ turn


class Terms:
    """Computes the loss of a problem that is given in several parts, and its gradient."""

    def __init__(self, parts: Sequence[Problem], precision: type[np.float32 | np.float64] = np.float32) -> None:
        # Only the features and the two large products use this precision.
        self._parts = [(part, part.features.astype(precision, copy=False)) for part in parts]
        self.count = sum(len(part.label_ids) for part in parts)
        self.shape = (parts[0].classes, parts[0].features.shape[1] + 1)

    def loss(self, layer: Array, decay: float) -> tuple[float, Array]:
        """Computes the loss at weights and biases [classes, width + 1], and its gradient of the same shape."""
        weights = layer[:, :-1]
        loss, gradient = decay / 2 * float(np.square(weights).sum()), np.zeros_like(layer)
        gradient[:, :-1] = decay * weights
        for features, label_ids, logs, part, sample_weights in self._blocks(layer):
            loss += float((_losses(logs, label_ids, part.smoothing) * sample_weights).sum()) / self.count
            error = np.exp(logs, out=logs)
            error -= part.smoothing / part.classes
            error[label_ids, np.arange(len(label_ids))] -= 1 - part.smoothing
            error *= sample_weights / self.count
            gradient[:, :-1] += error.astype(features.dtype) @ features
            gradient[:, -1] += error.sum(axis=1)
        return loss, gradient

    def losses(self, layer: Array) -> Array:
        """Computes the cross-entropy of each photo, times its sample weight: float64 [n]."""
        return np.concatenate(
            [
                _losses(logs, label_ids, part.smoothing) * sample_weights
                for _, label_ids, logs, part, sample_weights in self._blocks(layer)
            ]
        )

    def _blocks(
        self, layer: Array
    ) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.int64], Array, Problem, Array | float]]:
        """Yields blocks of photos: features, label ids, log probabilities [classes, n], the part that contains them, sample weights."""
        for part, features in self._parts:
            weights = layer[:, :-1].astype(features.dtype)
            size = max(1, _NUMBERS_AT_ONCE // part.classes)
            for start in range(0, len(features), size):
                rows = slice(start, start + size)
                logs = (weights @ features[rows].T).astype(np.float64, copy=False)
                logs += layer[:, -1:]
                logs -= logs.max(axis=0)
                logs -= np.log(np.exp(logs).sum(axis=0))
                sample_weights = 1.0 if part.sample_weights is None else part.sample_weights[rows].astype(np.float64)
                yield features[rows], part.label_ids[rows], logs, part, sample_weights


def minimise(terms: Terms, decay: float, axes: Axes, start: Array | None, gradient: float) -> tuple[Array, int]:
    """Minimises the loss, as `solve` does; a gradient whose components are all at most `gradient` counts as zero."""
    from scipy.optimize import minimize

    precondition = _Preconditioner(axes, decay)

    def objective(flat: Array) -> tuple[float, Array]:
        loss, slope = terms.loss(precondition(flat.reshape(terms.shape)), decay)
        return loss, precondition(slope).ravel()

    first = np.zeros(terms.shape) if start is None else precondition(start, back=True)
    options = {"gtol": gradient, "ftol": 0.0, "maxiter": _MOST_ITERATIONS, "maxfun": 2 * _MOST_ITERATIONS}
    found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    layer: Array = precondition(found.x.reshape(terms.shape))
    return layer, int(found.nit)


class _Preconditioner:
    """Scales weights and biases along the axes so that the loss has a similar curvature in all directions. It equals its transpose."""

    def __init__(self, axes: Axes, decay: float) -> None:
        self._vectors = axes.vectors
        self._along = 1 / np.sqrt(_CURVATURE * axes.variances + decay)
        self._across = 1 / np.sqrt(_CURVATURE * axes.rest + decay)
        self._bias = 1 / np.sqrt(_CURVATURE)

    def __call__(self, layer: Array, back: bool = False) -> Array:
        """Scales weights and biases [classes, width + 1]; returns the same shape."""
        power = -1 if back else 1
        along, across, bias = self._along**power, self._across**power, self._bias**power
        made = np.empty_like(layer)
        if self._vectors is None:
            made[:, :-1] = layer[:, :-1] * along
        else:
            made[:, :-1] = layer[:, :-1] * across
            made[:, :-1] += (layer[:, :-1] @ self._vectors * (along - across)) @ self._vectors.T
        made[:, -1] = layer[:, -1] * bias
        return made


def _losses(logs: Array, label_ids: npt.NDArray[np.int64], smoothing: float) -> Array:
    losses: Array = -(1 - smoothing) * logs[label_ids, np.arange(len(label_ids))]
    if smoothing:
        losses -= smoothing * logs.mean(axis=0)
    return losses
