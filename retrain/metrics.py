"""Arrays in, figures out: accuracy, its interval, cross-entropy, confusion. Knows no path and no flag."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Z_95 = 1.959963984540054  # the normal quantile of a two-sided 95 % interval


def log_softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 [n, classes] -> float32 [n, classes], logarithms of probabilities; safe for large logits."""
    shifted: npt.NDArray[np.float32] = logits - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 [n, classes] -> float32 [n, classes], rows that sum to 1."""
    return np.exp(log_softmax(logits))


def cross_entropy(logits: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int64]) -> float:
    """Mean cross-entropy in nats; nan where there is nothing to average."""
    if not len(label_ids):
        return math.nan
    return float(-log_softmax(logits)[np.arange(len(label_ids)), label_ids].mean())


def accuracy(logits: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int64]) -> float:
    """Share of rows whose largest value is at the label, 0..1; nan where there are none."""
    if not len(label_ids):
        return math.nan
    return float((logits.argmax(axis=1) == label_ids).mean())


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
