"""Computes metrics from arrays: accuracy, its interval, cross-entropy, confusion matrix and calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Z_95 = 1.959963984540054  # the normal quantile of a two-sided 95 % interval
BINS = 10  # bins of the reliability diagram; a hundred test photos are too few for more


def losses(logits: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Computes the cross-entropy of each row in nats: float32 [n, classes], int64 [n] -> float32 [n]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    loss: npt.NDArray[np.float32] = np.log(np.exp(shifted).sum(axis=1))
    loss -= shifted[np.arange(len(label_ids)), label_ids]
    return loss


def hits(logits: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Tells for each row whether the largest value is at the label: float32 [n, classes], int64 [n] -> bool [n]. Ties go to the first."""
    right: npt.NDArray[np.bool_] = logits.argmax(axis=1) == label_ids
    return right


def cross_entropy(logits: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int64]) -> float:
    """Computes the mean cross-entropy in nats; NaN if there are no rows."""
    return mean(losses(logits, label_ids))


def accuracy(logits: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int64]) -> float:
    """Computes the fraction of rows whose largest value is at the label, 0..1; NaN if there are no rows."""
    return mean(hits(logits, label_ids))


def mean(values: npt.NDArray[Any]) -> float:
    """Computes the mean; NaN if there are no values.

    >>> mean(np.array([True, False, True, True]))
    0.75
    """
    return float(values.mean()) if len(values) else math.nan


def recall_at(count: int, scores: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int64]) -> float:
    """Computes the fraction of photos whose label is among the best `count` scores: float32 [n, classes], int64 [n] -> 0..1.

    >>> recall_at(2, np.float32([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([1, 2]))
    0.5
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return mean((best == label_ids[:, None]).any(axis=1))


def wilson_interval(right: int, tested: int) -> tuple[float, float]:
    """Computes the 95% confidence interval of a proportion by Wilson's method (1927); (0, 1) if nothing was tested.

    >>> tuple(round(bound, 3) for bound in wilson_interval(90, 100))
    (0.826, 0.945)
    """
    if not tested:
        return 0.0, 1.0
    share, square = right / tested, Z_95**2
    middle = (share + square / (2 * tested)) / (1 + square / tested)
    half = Z_95 / (1 + square / tested) * math.sqrt(share * (1 - share) / tested + square / (4 * tested**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def confusion(label_ids: npt.NDArray[np.int64], guesses: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.int64]:
    """Computes the confusion matrix, int64 [classes, classes]: rows are true classes, columns are predictions.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (label_ids, guesses), 1)
    return table


def precision_recall(
    table: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Computes precision, recall and support of each class.

    Args:
      table: int64 [classes, classes], the confusion matrix of `confusion`.

    Returns:
      float64 [classes]: precision, the fraction of the photos with this prediction that have this label; NaN if there are none.
      float64 [classes]: recall, the fraction of the photos with this label that have this prediction; NaN if there are none.
      int64 [classes]: support, the number of photos with this label.

    >>> [part.tolist() for part in precision_recall(np.array([[3, 1], [0, 4]]))]
    [[1.0, 0.8], [0.75, 1.0], [4, 4]]
    """
    right, given, support = np.diag(table), table.sum(axis=0), table.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return right / given, right / support, support


@dataclass(frozen=True)
class Bin:
    """A bin of the reliability diagram: the photos whose best score lies in one tenth."""

    low: float  # exclusive, except for 0
    high: float  # inclusive
    photos: int
    confidence: float  # the mean of their best scores; NaN if there are no photos
    accuracy: float  # the fraction of them that is correct; NaN if there are no photos


def reliability(confidences: npt.NDArray[np.float32], right: npt.NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Sorts photos into ten bins by their best score, after Guo et al. (2017), "On Calibration of Modern Neural Networks".

    Args:
      confidences: float32 [n], the score of the predicted label, 0..1.
      right: bool [n], whether the prediction was correct.
    """
    places = np.clip(np.ceil(confidences * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return tuple(
        Bin(k / BINS, (k + 1) / BINS, int(here.sum()), mean(confidences[here]), mean(right[here]))
        for k, here in enumerate(places == k for k in range(BINS))
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """Computes the expected calibration error, 0..1: the mean difference of score and accuracy, weighted by the photos of each bin; NaN if there are none.

    >>> round(calibration_error([Bin(0.5, 0.6, 1, 0.6, 1.0), Bin(0.9, 1.0, 3, 0.9, 0.9)]), 3)
    0.1
    """
    total = sum(one.photos for one in bins)
    distances = (one.photos * abs(one.confidence - one.accuracy) for one in bins if one.photos)
    return sum(distances) / total if total else math.nan
