"""Arrays in, figures out: accuracy, its interval, cross-entropy, confusion, calibration. Knows no path and no flag."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Z_95 = 1.959963984540054  # the normal quantile of a two-sided 95 % interval
BINS = 10  # of the reliability diagram; a hundred test photos fill no more


def losses(logits: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """float32 [n, classes], int64 [n] -> float32 [n]: the cross-entropy of each row, in nats."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    surprise: npt.NDArray[np.float32] = np.log(np.exp(shifted).sum(axis=1))
    surprise -= shifted[np.arange(len(label_ids)), label_ids]
    return surprise


def hits(logits: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """float32 [n, classes], int64 [n] -> bool [n]: is the largest value at the label? Of equal ones the first counts."""
    right: npt.NDArray[np.bool_] = logits.argmax(axis=1) == label_ids
    return right


def cross_entropy(logits: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int64]) -> float:
    """Mean cross-entropy in nats; nan where there is nothing to average."""
    return mean(losses(logits, label_ids))


def accuracy(logits: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int64]) -> float:
    """Share of rows whose largest value is at the label, 0..1; nan where there are none."""
    return mean(hits(logits, label_ids))


def mean(values: npt.NDArray[Any]) -> float:
    """The mean; nan where there is nothing to average.

    >>> mean(np.array([True, False, True, True]))
    0.75
    """
    return float(values.mean()) if len(values) else math.nan


def recall_at(count: int, scores: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int64]) -> float:
    """Share of photos whose label is among the best `count` scores: float32 [n, classes], int64 [n] -> 0..1.

    >>> recall_at(2, np.float32([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([1, 2]))
    0.5
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return mean((best == label_ids[:, None]).any(axis=1))


def wilson_interval(right: int, tested: int) -> tuple[float, float]:
    """The 95 % interval of a share, after Wilson (1927); (0, 1) where nothing was tested.

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
    """int64 [classes, classes]: row is the true class, column the guess.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (label_ids, guesses), 1)
    return table


def precision_recall(
    table: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Precision, recall and support of each class.

    Args:
      table: int64 [classes, classes], what `confusion` gives.

    Returns:
      float64 [classes]: of the photos given this label, the share that has it; nan where none was given it.
      float64 [classes]: of the photos that have this label, the share that was given it; nan where none has it.
      int64 [classes]: how many have it.

    >>> [part.tolist() for part in precision_recall(np.array([[3, 1], [0, 4]]))]
    [[1.0, 0.8], [0.75, 1.0], [4, 4]]
    """
    right, given, support = np.diag(table), table.sum(axis=0), table.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return right / given, right / support, support


@dataclass(frozen=True)
class Bin:
    """The photos whose best score lies in one tenth."""

    low: float  # exclusive, but for 0
    high: float  # inclusive
    photos: int
    confidence: float  # the mean of their best scores; nan where there are none
    accuracy: float  # the share of them that is right; nan where there are none


def reliability(confidences: npt.NDArray[np.float32], right: npt.NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Sorts photos into ten bins by their best score, after Guo et al. (2017), "On Calibration of Modern Neural Networks".

    Args:
      confidences: float32 [n], the score of the label given, 0..1.
      right: bool [n], whether it was right.
    """
    places = np.clip(np.ceil(confidences * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return tuple(
        Bin(k / BINS, (k + 1) / BINS, int(here.sum()), mean(confidences[here]), mean(right[here]))
        for k, here in enumerate(places == k for k in range(BINS))
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error, 0..1: the mean distance of score and accuracy, each bin by its photos; nan of none.

    >>> round(calibration_error([Bin(0.5, 0.6, 1, 0.6, 1.0), Bin(0.9, 1.0, 3, 0.9, 0.9)]), 3)
    0.1
    """
    total = sum(one.photos for one in bins)
    distances = (one.photos * abs(one.confidence - one.accuracy) for one in bins if one.photos)
    return sum(distances) / total if total else math.nan
