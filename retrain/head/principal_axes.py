"""Finds the axes along which features vary most.

A randomised range finder (Halko, Martinsson and Tropp 2011, algorithm 4.4): a random sketch, one round of power iteration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
_EXTRA = 16  # additional columns of the sketch
_ROUNDS = 1  # rounds of power iteration; a second one made no difference


def range_of(blocks: Callable[[], Iterable[Floats]], width: int, count: int) -> Floats:
    """Computes orthonormal axes whose span contains approximately the `count` axes with the largest variance.

    Args:
      blocks: yields the features, float32 [n, width], block by block; it is called twice.
      width: the number of features.
      count: how many axes matter.

    Returns:
      float32 [width, count + 16], or [width, width] if that is smaller; equal features give bitwise equal results.
    """
    if count + _EXTRA >= width:
        return np.eye(width, dtype=np.float32)
    axes = np.random.default_rng(0).standard_normal((width, count + _EXTRA), dtype=np.float32)
    for _ in range(_ROUNDS + 1):
        gathered = np.zeros_like(axes)
        for block in blocks():
            gathered += block.T @ (block @ axes)
        axes = np.linalg.qr(gathered)[0]
    return axes
