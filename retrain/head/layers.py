"""Implements dense layers and a final softmax layer in NumPy: computes logits, and the gradients of the loss.

Weights are [out, in] and activations [out, photos] here, because NumPy sums fastest over the first axis. Without hidden layers this
is the single layer of the original, and its weights start at zero. Hidden layers start with random weights, because otherwise all
units would remain equal.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from retrain.types import ACTIVATIONS

Array = npt.NDArray[np.float32]

_ROWS = 8  # rows of a matrix that OpenBLAS multiplies together


class DenseLayers:
    """Dense layers.

    Args:
      sizes: the number of features, of units in each hidden layer, and of classes.
      activation: activation of the hidden layers: "relu", "sigmoid" or "tanh".
      smoothing: label smoothing, 0..1: the part of a photo's label that is spread over all classes.
      dropout: the fraction 0..1 of the hidden units (of the features, if there are no hidden layers) that each step drops; the
        others are scaled up to compensate.
      rng: draws the units that dropout drops.
      first_weights: draws the initial weights of hidden layers.

    Attributes:
      parameters: float32, weights [out, in] and biases [out, 1] of each layer in turn; changed in place.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        smoothing: float = 0.0,
        dropout: float = 0.0,
        rng: np.random.Generator | None = None,
        first_weights: np.random.Generator | None = None,
    ) -> None:
        self._activation, self._smoothing, self._dropout = activation, smoothing, dropout
        self._rng = rng or np.random.default_rng(0)
        start = first_weights or np.random.default_rng(0)
        self.parameters: list[Array] = []
        for place, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            if len(sizes) == 2:
                weights = np.zeros((outputs, inputs), np.float32)
            else:
                # This variance gives all layers activations of similar size: He et al. 2015 for relu, else Glorot and Bengio 2010.
                rectified = activation == "relu" and place < len(sizes) - 2
                spread = math.sqrt(2 / inputs) if rectified else math.sqrt(2 / (inputs + outputs))
                weights = (spread * start.standard_normal((outputs, inputs))).astype(np.float32)
            self.parameters += [weights, np.zeros((outputs, 1), np.float32)]
        # The last layer's weights are the first rows of a matrix with more rows: OpenBLAS multiplies 8 rows in less time than 5.
        classes = len(self.parameters[-1])
        self._tall = np.zeros((-(-classes // _ROWS) * _ROWS, sizes[-2]), np.float32)
        self._tall[:classes] = self.parameters[-2]
        self.parameters[-2] = self._tall[:classes]

    def logits(self, features: Array) -> Array:
        """Computes the logits: float32 [n, width] -> float32 [classes, n]."""
        flow = features.T
        for place in range(0, len(self.parameters) - 2, 2):
            flow = ACTIVATIONS[self._activation](self.parameters[place] @ flow + self.parameters[place + 1])
        logits: Array = self._products(flow)[: len(self.parameters[-1])]
        logits += self.parameters[-1]
        return logits

    def gradients(
        self, features: Array, label_ids: npt.NDArray[np.int64], factor: np.float32, sample_weights: Array | None = None
    ) -> list[Array]:
        """Computes the gradients of `factor` times the mean cross-entropy.

        Args:
          features: float32 [n, width].
          label_ids: int64 [n].
          factor: a number by which the loss is multiplied, such as the learning rate.
          sample_weights: float32 [n]; None means 1 for each photo.

        Returns:
          an array for each parameter, with the same shape.
        """
        flows, masks = self._forward(features)
        tall = self._products(flows[-1])
        error = tall[: len(self.parameters[-1])]  # a view; the rows below it remain 0
        error += self.parameters[-1]
        error -= error.max(axis=0)
        np.exp(error, out=error)
        error /= error.sum(axis=0)  # softmax
        if self._smoothing:
            error -= np.float32(self._smoothing / len(error))
        error[label_ids, np.arange(len(label_ids))] -= np.float32(1 - self._smoothing)
        if sample_weights is not None:
            error *= sample_weights
        error *= factor / np.float32(len(label_ids))
        gradients = [(tall @ flows[-1].T)[: len(error)], error.sum(axis=1, keepdims=True)]
        for place in range(len(masks), 0, -1):
            error = self.parameters[2 * place].T @ error
            error *= self._slope(flows[place], masks[place - 1])
            gradients[:0] = (error @ flows[place - 1].T, error.sum(axis=1, keepdims=True))
        return gradients

    def _products(self, flow: Array) -> Array:
        """Multiplies by the last layer's weights: float32 [in, n] -> float32 [classes and rows of 0 up to a multiple of _ROWS, n]."""
        return np.ascontiguousarray((flow.T @ self._tall.T).T)

    def _forward(self, features: Array) -> tuple[list[Array], list[Array | None]]:
        """Computes the input of each layer, and the dropout factors of each hidden layer."""
        flows: list[Array] = [features.T]
        masks: list[Array | None] = []
        if len(self.parameters) == 2:
            return [self._dropped(features.T)[0]], masks
        for place in range(0, len(self.parameters) - 2, 2):
            flow = ACTIVATIONS[self._activation](self.parameters[place] @ flows[-1] + self.parameters[place + 1])
            flow, mask = self._dropped(flow)
            flows.append(flow)
            masks.append(mask)
        return flows, masks

    def _dropped(self, flow: Array) -> tuple[Array, Array | None]:
        """Applies dropout; returns the result and the factors by which it multiplied."""
        if not self._dropout:
            return flow, None
        kept = self._rng.random(flow.shape, np.float32) >= np.float32(self._dropout)
        mask = kept.astype(np.float32) / np.float32(1 - self._dropout)
        return flow * mask, mask

    def _slope(self, flow: Array, mask: Array | None) -> Array:
        """Computes the derivative of the activation from its output `flow`, times the dropout factors."""
        plain = flow if mask is None else flow * np.float32(1 - self._dropout)  # 0 for dropped units, as in the mask
        if self._activation == "relu":
            slope: Array = (plain > 0).astype(np.float32)
        elif self._activation == "sigmoid":
            slope = plain * (1 - plain)
        else:
            slope = 1 - plain * plain
        return slope if mask is None else slope * mask
