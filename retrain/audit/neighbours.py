"""Finds the training photos that are most similar to a photo, to help explain a prediction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrain.head.train import Standardiser
from retrain.types import TRAINING, Bottlenecks

_ROWS_AT_ONCE = 4096


def nearest(
    bottlenecks: Bottlenecks, rows: npt.NDArray[np.int64], count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Finds the training photos whose features are most similar, by the cosine, to those of other photos.

    Args:
      bottlenecks: features and subsets; the photos without distortion are compared.
      rows: int64 [n], the photos whose neighbours are wanted.
      count: number of neighbours; fewer are found if there are fewer training photos.

    Returns:
      int64 [n, found], rows of training photos, nearest first;
      float32 [n, found], their cosine similarity on standardised features, -1..1.
    """
    training = bottlenecks.rows(TRAINING)
    found = min(count, len(training))
    if not len(rows) or not found:
        return np.zeros((len(rows), found), np.int64), np.zeros((len(rows), found), np.float32)
    plain = bottlenecks.features[0]
    standardise = Standardiser(plain[training])
    wanted = _directions(standardise(plain[rows]))
    similarity = np.concatenate(
        [
            wanted @ _directions(standardise(plain[training[start : start + _ROWS_AT_ONCE]])).T
            for start in range(0, len(training), _ROWS_AT_ONCE)
        ],
        axis=1,
    )
    best = np.argsort(-similarity, axis=1, kind="stable")[:, :found]
    return training[best], np.take_along_axis(similarity, best, axis=1)


def _directions(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scales rows to length 1: float32 [n, width]. A row of zeros stays unchanged."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    directions: npt.NDArray[np.float32] = np.divide(features, lengths, out=features, where=lengths > 0)
    return directions
