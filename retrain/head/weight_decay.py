"""Chooses the weight decay by 5-fold cross-validation.

The folds are solved on the features' main axes: nearly the same answers in a third of the time. The axes depend on no label. No
fold starts from the solution of another, which has seen the labels that this one leaves out.
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

DECAYS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)  # strong first: each solves the next one half
FOLDS = 5
_ROUGH = 3e-4  # exact enough to compare decays; at 1e-3 an unfinished solution looks like a harmless decay


def best_decay(problem: Problem, axes: Axes, on_axes: npt.NDArray[np.float32], views: int = 1) -> float:
    """The strongest weight decay that predicts photos left out of the training as well as any.

    From the strongest on, until the next is worse. As well as the best is what is not worse than it by more than one
    standard error of the difference, photo by photo: the one-standard-error rule (Breiman et al. 1984, section 3.4.3), paired.

    Args:
      problem: the photos; where there are views, all photos in view 1, then all in view 2 and so on.
      axes: of its features.
      on_axes: float32 [n, axes], the features on them.
      views: how many; all views of a photo are left out together.
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
    """For each decay, the loss of each photo while it was left out, [photos]; none where nothing could be left out."""
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
    with ThreadPoolExecutor(min(cores(), FOLDS)) as pool:  # no fold knows of the others: threads change no number
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
    fit: Terms  # of the other folds' photos
    left_out: Terms
    rows: npt.NDArray[np.int64]  # the photos left out
    layer: Array | None = None  # of the decay before, from which the next begins

    def losses(self, decay: float, axes: Axes) -> Array:
        """The loss of each photo left out, of a layer that never saw it."""
        self.layer, _ = minimise(self.fit, decay, axes, self.layer, _ROUGH)
        return self.left_out.losses(self.layer)


def _error_of_mean(values: Array) -> float:
    return float(values.std() / np.sqrt(len(values)))


def _part(problem: Problem, rows: npt.NDArray[np.int64] | slice) -> Problem:
    sample_weights = None if problem.sample_weights is None else problem.sample_weights[rows]
    return Problem(problem.features[rows], problem.label_ids[rows], problem.classes, problem.smoothing, sample_weights)


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
