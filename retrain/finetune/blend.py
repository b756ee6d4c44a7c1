"""Chooses the point between the weights that training began with and those it ended with that has the lowest validation loss.

Fine-tuning on a few hundred photos learns them and forgets some of what the network knew; a point on the straight line between
both is often better than either end (Wortsman and others, "Robust fine-tuning of zero-shot models", arXiv 2109.01903). It also
makes the network overconfident, so the logits of each point are divided by the temperature that suits it
(Guo and others, "On Calibration of Modern Neural Networks", arXiv 1706.04599).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from retrain.metrics import cross_entropy

Arrays = list[npt.NDArray[Any]]
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the way from the beginning to the end
_COLDEST, _HOTTEST = 0.25, 8.0


@dataclass(frozen=True)
class Blend:
    """A point on the way."""

    share: float  # of the way; 0 is where training began
    temperature: float  # logits are divided by it; 1 or more
    loss: float  # nats, of the validation photos, at the temperature that suits them best
    losses: tuple[tuple[float, float], ...] = ()  # (share, loss) of all points that were measured


def best_blend(
    begin: Arrays, end: Arrays, logits_of: Callable[[Arrays], npt.NDArray[np.float32]], label_ids: npt.NDArray[np.int64]
) -> tuple[Arrays, Blend]:
    """Measures points on the way.

    Args:
      begin: the weights training began with; the softmax layer's weights and biases are the last two.
      end: those it ended with, alike.
      logits_of: weights -> float32 [validation photos, classes].
      label_ids: int64 [validation photos]; at least one.

    Returns:
      the best point's weights, and which it is; of equal ones the one nearer to the beginning.
    """
    points = []
    for share in SHARES:
        temperature, loss = best_temperature(logits_of(_between(begin, end, share)), label_ids)
        # Twenty validation photos that are all right are no reason to be surer.
        points.append(Blend(share, max(1.0, temperature), loss))
    best = min(points, key=lambda point: point.loss)
    best = dataclasses.replace(best, losses=tuple((point.share, point.loss) for point in points))
    weights = _between(begin, end, best.share)
    return [*weights[:-2], *(array / np.float32(best.temperature) for array in weights[-2:])], best


def best_temperature(logits: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int64]) -> tuple[float, float]:
    """float32 [n, classes], int64 [n] -> (what to divide logits by, the mean cross-entropy then, in nats)."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda log: cross_entropy(logits / np.float32(math.exp(log)), label_ids),
        bounds=(math.log(_COLDEST), math.log(_HOTTEST)),
        method="bounded",
    )
    return math.exp(found.x), float(found.fun)


def _between(begin: Arrays, end: Arrays, share: float) -> Arrays:
    part = np.float32(share)
    return [first + part * (last - first) for first, last in zip(begin, end, strict=True)]
