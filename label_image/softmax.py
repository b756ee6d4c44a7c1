"""Computes probabilities from logits; the one formula for training, verification and labelling."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def softmax(logits: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Computes the softmax: float [..., classes] -> float32 [..., classes], each row sums to 1; safe for large logits.

    >>> softmax(np.float32([[1, 1], [1e4, 0]])).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)
