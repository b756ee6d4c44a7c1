"""Standardised features in, the optimum of the softmax layer out: multinomial logistic regression, solved by SciPy's L-BFGS.

Minimises the mean cross-entropy plus decay / 2 times the squares of the weights (biases are free), in float64. The problem
is convex and has one answer, so there is no seed, no rate and no step to choose. The decay is found on left-out training
photos, over five folds.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import UserError
from retrain.threads import one_thread_for

DECAYS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)  # strong first: each solves the next one half
FOLDS = 5
_GRADIENT = 1e-6  # the optimum is reached where no part of the gradient is larger
_ROUGH = 1e-4  # near enough to compare decays
_MOST_ITERATIONS = 2000

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """What is to be told apart."""

    features: npt.NDArray[np.float32]  # [n, width], standardised
    label_ids: npt.NDArray[np.int64]  # [n]
    classes: int
    smoothing: float = 0.0  # label smoothing, 0..1
    shares: npt.NDArray[np.float32] | None = None  # [n], what each photo counts, of mean 1; None is 1 for each


def check_installed() -> None:
    """Finds out before the work whether there is what solves it.

    Raises:
      UserError: SciPy is not installed.
    """
    if importlib.util.find_spec("scipy") is None:
        raise UserError(
            "cannot train with --optimizer=lbfgs: SciPy is not installed; pip install 'scipy>=1.11,<2', or leave --optimizer out"
        )


def solve(problem: Problem, decay: float, start: Array | None = None, gradient: float = _GRADIENT) -> tuple[Array, int]:
    """Finds the optimum.

    Args:
      problem: the photos.
      decay: more than 0.
      start: float64 [classes, width + 1], from where; None is zero. Changes the time, not the answer.
      gradient: the largest part of the gradient that counts as none.

    Returns:
      float64 [classes, width + 1], the weights with the biases behind them, and the number of iterations.
    """
    return _solve(_Terms(problem), decay, start, gradient)


def best_decay(problem: Problem, views: int = 1) -> float:
    """The strongest weight decay that serves photos not trained on as well as any.

    From the strongest on, until the next is worse. As well as the best is what is not worse than it by more than one
    standard error of the difference, photo by photo: the one-standard-error rule (Breiman et al. 1984, section 3.4.3), paired.

    Args:
      problem: the photos; where there are views, all photos in view 1, then all in view 2 and so on.
      views: how many; all views of a photo are left out together.
    """
    fold_of = np.tile(_folds(problem.label_ids[: len(problem.label_ids) // views]), views)
    parts = [(fold_of != fold, fold_of == fold) for fold in range(FOLDS) if 0 < np.sum(fold_of == fold) < len(fold_of)]
    folds = [tuple(_Terms(_part(problem, rows), np.float32) for rows in part) for part in parts]
    if not folds:
        return DECAYS[0]
    layers: list[Array | None] = [None] * len(folds)
    seen: list[Array] = []  # for each decay, the loss of each photo while it was left out
    for decay in DECAYS:
        each = np.zeros(len(fold_of))
        for place, ((fit, left_out), (_, rows)) in enumerate(zip(folds, parts, strict=True)):
            layer, _ = _solve(fit, decay, layers[place], _ROUGH)
            layers[place] = layer
            each[rows] = left_out.surprises(layer)
        seen.append(each.reshape(views, -1).mean(axis=0))
        if len(seen) > 1 and seen[-1].mean() > seen[-2].mean():
            break
    best = min(seen, key=np.mean)
    return next(
        decay for decay, each in zip(DECAYS, seen, strict=False) if (each - best).mean() <= _error_of_mean(each - best)
    )


def _error_of_mean(values: Array) -> float:
    return float(values.std() / np.sqrt(len(values)))


class _Terms:
    """The sums of one problem, ready to be asked at any weights."""

    def __init__(self, problem: Problem, precision: type[np.float32 | np.float64] = np.float64) -> None:
        # Of the features only, and so of the two large products.
        self.count = len(problem.label_ids)
        self._features: npt.NDArray[Any] = problem.features.astype(precision)
        self._wanted = np.full((self.count, problem.classes), problem.smoothing / problem.classes)
        self._wanted[np.arange(self.count), problem.label_ids] += 1 - problem.smoothing
        shares = np.ones(self.count) if problem.shares is None else problem.shares.astype(np.float64)
        self._shares = shares[:, None]
        self.shape = (problem.classes, problem.features.shape[1] + 1)

    def loss(self, layer: Array, decay: float = 0.0) -> tuple[float, Array]:
        """The loss of weights and biases [classes, width + 1], and its gradient of the same shape."""
        weights = layer[:, :-1]
        logs = self._logs(layer)
        error = (np.exp(logs) - self._wanted) * self._shares / self.count
        gradient = np.empty_like(layer)
        gradient[:, :-1] = (self._features.T @ error.astype(self._features.dtype)).T
        gradient[:, :-1] += decay * weights
        gradient[:, -1] = error.sum(axis=0)
        surprise = -(self._wanted * logs * self._shares).sum() / self.count
        return float(surprise + decay / 2 * np.square(weights).sum()), gradient

    def surprises(self, layer: Array) -> Array:
        """float64 [n]: the cross-entropy of each photo."""
        surprises: Array = -(self._wanted * self._logs(layer) * self._shares).sum(axis=1)
        return surprises

    def _logs(self, layer: Array) -> Array:
        """Logarithms of the probabilities, [n, classes]."""
        weights: npt.NDArray[Any] = layer[:, :-1].T.astype(self._features.dtype)
        logits: Array = self._features @ weights + layer[:, -1]
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return logits


def _solve(terms: _Terms, decay: float, start: Array | None, gradient: float) -> tuple[Array, int]:
    from scipy.optimize import minimize

    def of(flat: Array) -> tuple[float, Array]:
        loss, slope = terms.loss(flat.reshape(terms.shape), decay)
        return loss, slope.ravel()

    first = np.zeros(terms.shape) if start is None else start
    options = {"gtol": gradient, "ftol": 0.0, "maxiter": _MOST_ITERATIONS, "maxfun": 2 * _MOST_ITERATIONS, "maxcor": 20}
    with one_thread_for():  # the products are a matrix and a few columns: memory is what limits them
        found = minimize(of, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    layer: Array = found.x.reshape(terms.shape)
    return layer, int(found.nit)


def _part(problem: Problem, rows: npt.NDArray[np.bool_]) -> Problem:
    shares = None if problem.shares is None else problem.shares[rows]
    return Problem(problem.features[rows], problem.label_ids[rows], problem.classes, problem.smoothing, shares)


def _folds(label_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The fold of each photo: those of a class in turn, so that each fold has its share of every class.

    >>> _folds(np.array([0, 1, 0, 0, 1])).tolist()
    [0, 0, 1, 2, 1]
    """
    fold_of = np.empty(len(label_ids), np.int64)
    for label in np.unique(label_ids):
        rows = np.flatnonzero(label_ids == label)
        fold_of[rows] = np.arange(len(rows)) % FOLDS
    return fold_of
