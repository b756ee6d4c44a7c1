"""Computes a learning curve: the accuracy that ten different numbers of training photos would have given.

Each fold is tested with heads that were trained on a tenth of the other folds, on two tenths, and so on. Each class
contributes in proportion, and each training set contains the smaller ones. So each photo is tested once at each size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrain.audit.folds import FOLDS, Folds, Ints
from retrain.metrics import confusion

SIZES = 10

Point = tuple[int, float, list[float]]  # number of training photos, accuracy 0..1, recall of each class 0..1


def learning_curve(folds: Folds, penalty: float) -> list[Point]:
    """Returns SIZES points, fewest photos first; `penalty` is the one that `Folds.probabilities` chose."""
    tables = np.zeros((SIZES, folds.classes, folds.classes), np.int64)
    photos = np.zeros(SIZES, np.int64)
    for number in range(FOLDS):
        tested = np.flatnonzero(folds.fold == number)
        added_at = _added_at(folds.label_ids, folds.fold != number)
        squares = np.zeros((folds.rows.shape[1],) * 2, np.float32)
        products = np.zeros((folds.rows.shape[1], folds.classes), np.float32)
        for size in range(SIZES):
            added = folds.sums(np.flatnonzero(added_at == size))
            squares, products = squares + added[0], products + added[1]
            guesses = (folds.rows[tested] @ folds.weights(squares, products, penalty)).argmax(axis=1)
            tables[size] += confusion(folds.label_ids[tested], guesses, folds.classes)
            photos[size] += int((added_at >= 0).sum() - (added_at > size).sum())
    right = np.diagonal(tables, axis1=1, axis2=2)
    recalls = right / np.maximum(tables.sum(axis=2), 1)
    return [
        (round(int(photos[size]) / FOLDS), float(right[size].sum() / tables[size].sum()), recalls[size].tolist())
        for size in range(SIZES)
    ]


def _added_at(label_ids: Ints, training: npt.NDArray[np.bool_]) -> Ints:
    """Returns the size at which each photo joins the training set: int64 [photos]; -1 for photos that are tested."""
    added_at = np.full(len(label_ids), -1, np.int64)
    rng = np.random.default_rng(0)
    for label in np.unique(label_ids):
        own = rng.permutation(np.flatnonzero(training & (label_ids == label)))
        added_at[own] = np.arange(len(own)) * SIZES // max(len(own), 1)
    return added_at
