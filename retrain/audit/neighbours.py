"""Features in, the nearest training photos out: "it said tulip because of these"."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrain.head.train import Standardiser
from retrain.types import TRAINING, Bottlenecks

_ROWS_AT_ONCE = 4096


def nearest(
    bottlenecks: Bottlenecks, rows: npt.NDArray[np.int64], count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Finds the training photos whose features point the same way as those of other photos, where the layer sees them.

    Args:
      bottlenecks: features and lists; the photos as they are, without distortion, are compared.
      rows: int64 [n], which photos to find neighbours of.
      count: how many; fewer are found where fewer are trained on.

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
    """float32 [n, width] -> rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    directions: npt.NDArray[np.float32] = np.divide(features, lengths, out=features, where=lengths > 0)
    return directions
