"""Reduces features to a few hundred principal components, on which fifty heads can be trained in a fraction of a second.

A random sketch finds the subspace, and the exact components are computed within it. All products run over blocks of
photos, so that no second copy of the features is made.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from retrain.head.principal_axes import range_of
from retrain.head.standardiser import Standardiser

MOST = 384  # more components find near-duplicates better, up to this many; the heads need fewer (folds.py)
_ROWS_AT_ONCE = 4096

Floats = npt.NDArray[np.float32]


def components(features: Floats) -> Floats:
    """Returns the standardised features, projected on their principal axes.

    Args:
      features: float32 [photos, width].

    Returns:
      float32 [photos, min(MOST, width, photos)], largest variance first; equal features give identical results.
    """
    photos, width = features.shape
    count = min(MOST, width, photos)
    standardise = Standardiser(features)

    def blocks() -> Iterator[tuple[slice, Floats]]:
        for start in range(0, photos, _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            yield rows, standardise(features[rows].copy())

    def project(axes: Floats) -> Floats:
        made = np.empty((photos, axes.shape[1]), np.float32)
        for rows, block in blocks():
            made[rows] = block @ axes
        return made

    axes = range_of(lambda: (block for _, block in blocks()), width, count)
    sketch = project(axes)
    _, turn = np.linalg.eigh(sketch.T @ sketch)
    kept: Floats = sketch @ turn[:, ::-1][:, :count]
    return kept
