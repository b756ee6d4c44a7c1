"""Chooses the weight decay by 5-fold cross-validation.

The folds use the features projected on their principal axes, which gives nearly the same results in a third of the time. The axes
do not depend on labels. No fold starts from the solution of another, which was trained on the labels that this one leaves out.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, repeat

import numpy as np
import numpy.typing as npt

from label_image.workers import cores
from retrain.head.lbfgs import Array, Axes, Problem, Terms, minimise
from retrain.head.threads import one_thread_for

DECAYS = (
    1.0,
    0.3,
    0.1,
    0.03,
    0.01,
    0.003,
    0.001,
    0.0003,
    0.0001,
)  # strongest first: each solution is a good start for the next
FOLDS = 5
_ROUGH = 3e-4  # exact enough to compare decays; with 1e-3, incomplete solutions would affect the choice


def best_decay(problem: Problem, axes: Axes, on_axes: npt.NDArray[np.float32], views: int = 1) -> float:
    """Finds the strongest weight decay with which left-out photos are predicted as well as with the best one.

    Tries weight decays from the strongest on, until the next one is worse. A weight decay counts as equally good if its loss exceeds the
    lowest one by at most one standard error of the difference, computed over pairs of photos: the one-standard-error rule (Breiman et
    al. 1984, section 3.4.3), paired.

    Args:
      problem: the photos; where there are views, all photos in view 1, then all in view 2 and so on.
      axes: the principal axes of the features.
      on_axes: float32 [n, axes], the features projected on them.
      views: number of views of each photo; all views of a photo are left out together.
    """
    with one_thread_for():
        seen = _losses(dataclasses.replace(problem, features=on_axes), dataclasses.replace(axes, vectors=None), views)
    if not seen:
        return DECAYS[0]
    best = min(seen, key=np.mean)
    return next(
        decay for decay, each in zip(DECAYS, seen, strict=False) if (each - best).mean() <= _error_of_mean(each - best)
    )


def _losses(problem: Problem, axes: Axes, views: int) -> list[Array]:
    """Yields, for each decay, the loss of each photo in the fold that left it out, [photos]; nothing if there are too few photos."""
    fold_of = np.tile(_folds(problem.label_ids[: len(problem.label_ids) // views]), views)
    order = np.argsort(fold_of, kind="stable")
    sorted_by_fold = _part(problem, order)
    edges = np.searchsorted(fold_of[order], np.arange(FOLDS + 1)).tolist()
    folds = []
    for begin, end in pairwise(edges):
        if 0 < end - begin < len(order):
            around = [_part(sorted_by_fold, rows) for rows in (slice(0, begin), slice(end, None))]  # no copies
            fit = Terms([part for part in around if len(part.label_ids)])
            folds.append(_Fold(fit, Terms([_part(sorted_by_fold, slice(begin, end))]), order[begin:end]))
    seen: list[Array] = []
    with ThreadPoolExecutor(min(cores(), FOLDS)) as pool:  # folds are independent, so threads do not change the results
        for decay in DECAYS if folds else ():
            each = np.zeros(len(order))
            for fold, losses in zip(folds, pool.map(_Fold.losses, folds, repeat(decay), repeat(axes)), strict=True):
                each[fold.rows] = losses
            seen.append(each.reshape(views, -1).mean(axis=0))
            if len(seen) > 1 and seen[-1].mean() > seen[-2].mean():
                break
    return seen


@dataclasses.dataclass
class _Fold:
    fit: Terms  # the loss on the photos of the other folds
    left_out: Terms
    rows: npt.NDArray[np.int64]  # the photos left out
    layer: Array | None = None  # the solution for the previous decay, from which the next one starts

    def losses(self, decay: float, axes: Axes) -> Array:
        """Computes the loss of each left-out photo with a layer that was trained without it."""
        self.layer, _ = minimise(self.fit, decay, axes, self.layer, _ROUGH)
        return self.left_out.losses(self.layer)


def _error_of_mean(values: Array) -> float:
    return float(values.std() / np.sqrt(len(values)))


def _part(problem: Problem, rows: npt.NDArray[np.int64] | slice) -> Problem:
    sample_weights = None if problem.sample_weights is None else problem.sample_weights[rows]
    return Problem(problem.features[rows], problem.label_ids[rows], problem.classes, problem.smoothing, sample_weights)


def _folds(label_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Assigns each photo to a fold: the photos of a class in turn, so that each fold has about equally many of each class.

    >>> _folds(np.array([0, 1, 0, 0, 1])).tolist()
    [0, 0, 1, 2, 1]
    """
    fold_of = np.empty(len(label_ids), np.int64)
    for label in np.unique(label_ids):
        rows = np.flatnonzero(label_ids == label)
        fold_of[rows] = np.arange(len(rows)) % FOLDS
    return fold_of
