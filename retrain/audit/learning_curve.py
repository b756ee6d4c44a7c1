"""Folds in, the accuracy that ten numbers of photos would have given out.

Each fold's photos are tested by heads of the others': on a tenth of those photos, two tenths, and so on, every class in
its share, each set within the next. So each photo of the folder is tested once at each size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrain.audit.folds import FOLDS, Folds, Ints
from retrain.metrics import confusion

SIZES = 10

Point = tuple[int, float, list[float]]  # photos trained on, accuracy 0..1, recall of each class 0..1


def learning_curve(folds: Folds, penalty: float) -> list[Point]:
    """SIZES points, fewest photos first; the penalty is in mean variances, as `Folds.probabilities` chose it."""
    tables = np.zeros((SIZES, folds.classes, folds.classes), np.int64)
    photos = np.zeros(SIZES, np.int64)
    for number in range(FOLDS):
        tested = np.flatnonzero(folds.fold == number)
        share = _shares(folds.label_ids, folds.fold != number)
        squares = np.zeros((folds.rows.shape[1],) * 2, np.float32)
        products = np.zeros((folds.rows.shape[1], folds.classes), np.float32)
        for size in range(SIZES):
            added = folds.sums(np.flatnonzero(share == size))
            squares, products = squares + added[0], products + added[1]
            guesses = (folds.rows[tested] @ folds.weights(squares, products, penalty)).argmax(axis=1)
            tables[size] += confusion(folds.label_ids[tested], guesses, folds.classes)
            photos[size] += int((share >= 0).sum() - (share > size).sum())
    right = np.diagonal(tables, axis1=1, axis2=2)
    recalls = right / np.maximum(tables.sum(axis=2), 1)
    return [
        (round(int(photos[size]) / FOLDS), float(right[size].sum() / tables[size].sum()), recalls[size].tolist())
        for size in range(SIZES)
    ]


def _shares(label_ids: Ints, training: npt.NDArray[np.bool_]) -> Ints:
    """int64 [photos]: at which size each comes in; -1 for those that are tested."""
    share = np.full(len(label_ids), -1, np.int64)
    rng = np.random.default_rng(0)
    for label in np.unique(label_ids):
        own = rng.permutation(np.flatnonzero(training & (label_ids == label)))
        share[own] = np.arange(len(own)) * SIZES // max(len(own), 1)
    return share
