"""Interpolates between the weights before and after training, and chooses the point with the lowest validation loss.

Fine-tuning on a few hundred photos fits them, but the network forgets some of what it learned in pretraining. A point on the
straight line between the two sets of weights is often better than either end (Wortsman and others, "Robust fine-tuning of
zero-shot models", arXiv 2109.01903). Fine-tuning also makes the network overconfident, so the logits of each point are divided
by the best temperature for it (Guo and others, "On Calibration of Modern Neural Networks", arXiv 1706.04599).
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
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # positions between the weights before training (0) and after it (1)
_COLDEST, _HOTTEST = 0.25, 8.0


@dataclass(frozen=True)
class Blend:
    """A point between the weights before and after training."""

    share: float  # position: 0 is before training, 1 after it
    temperature: float  # logits are divided by it; 1 or more
    loss: float  # nats, on the validation photos, at the best temperature
    losses: tuple[tuple[float, float], ...] = ()  # (share, loss) of all points that were measured


def best_blend(
    begin: Arrays, end: Arrays, logits_of: Callable[[Arrays], npt.NDArray[np.float32]], label_ids: npt.NDArray[np.int64]
) -> tuple[Arrays, Blend]:
    """Evaluates several points between the weights before and after training, and returns the best one.

    Args:
      begin: the weights before training; the last two arrays are the softmax layer's weights and biases.
      end: the weights after training, in the same order.
      logits_of: computes float32 [validation photos, classes] with given weights.
      label_ids: int64 [validation photos]; at least one.

    Returns:
      the weights of the best point, and its description; if several are equally good, the one nearest to `begin`.
    """
    points = []
    for share in SHARES:
        temperature, loss = best_temperature(logits_of(_between(begin, end, share)), label_ids)
        # A temperature below 1 would raise the scores, which twenty correct validation photos do not justify.
        points.append(Blend(share, max(1.0, temperature), loss))
    best = min(points, key=lambda point: point.loss)
    best = dataclasses.replace(best, losses=tuple((point.share, point.loss) for point in points))
    weights = _between(begin, end, best.share)
    return [*weights[:-2], *(array / np.float32(best.temperature) for array in weights[-2:])], best


def best_temperature(logits: npt.NDArray[np.float32], label_ids: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Finds the temperature by which to divide the logits; also returns the mean cross-entropy with it, in nats."""
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
