"""Changes weights in place by their gradients: gradient descent, gradient descent with momentum, and Adam.

The state of an optimizer is in its `slots`, which a snapshot stores. Momentum is Caffe's and
Keras's (v = m v + rate g; w = w - v), Adam is Keras's (Kingma and Ba, 2015, the efficient form of section 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Arrays = Sequence[npt.NDArray[np.float32]]
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7  # Keras's


class Optimizer(Protocol):
    """Changes parameters so that the loss falls.

    Attributes:
      slots: its state, in arrays of the parameters' shapes; changed in place.
    """

    slots: list[npt.NDArray[np.float32]]

    def factor(self, rate: float) -> np.float32:
        """Returns the factor of the gradients, to be applied before `update`: on the few errors it costs less than on all weights."""

    def update(self, parameters: Arrays, gradients: Arrays, rate: float, step: int) -> None:
        """Changes the parameters in place; the gradients must contain `factor` already; steps are counted from 0."""


class Sgd:
    """Plain gradient descent, as in the original."""

    def __init__(self) -> None:
        self.slots: list[npt.NDArray[np.float32]] = []

    def factor(self, rate: float) -> np.float32:
        """The rate."""
        return np.float32(rate)

    def update(self, parameters: Arrays, gradients: Arrays, rate: float, step: int) -> None:  # noqa: ARG002
        """One step down the gradient."""
        for parameter, gradient in zip(parameters, gradients, strict=True):
            np.subtract(parameter, gradient, out=parameter)


class Momentum:
    """Gradient descent with momentum."""

    def __init__(self, parameters: Arrays, momentum: float) -> None:
        self.slots = [np.zeros_like(parameter) for parameter in parameters]
        self._momentum = np.float32(momentum)

    def factor(self, rate: float) -> np.float32:
        """The rate."""
        return np.float32(rate)

    def update(self, parameters: Arrays, gradients: Arrays, rate: float, step: int) -> None:  # noqa: ARG002
        """Makes one step down the gradient, plus the momentum of earlier steps."""
        for parameter, gradient, velocity in zip(parameters, gradients, self.slots, strict=True):
            np.multiply(velocity, self._momentum, out=velocity)
            np.add(velocity, gradient, out=velocity)
            np.subtract(parameter, velocity, out=parameter)


class Adam:
    """Adam: scales the step of each weight by running means of its gradient and squared gradient."""

    def __init__(self, parameters: Arrays) -> None:
        self.slots = [np.zeros_like(parameter) for parameter in (*parameters, *parameters)]  # means, then squares

    def factor(self, rate: float) -> np.float32:  # noqa: ARG002
        """Returns 1: Adam needs unscaled gradients."""
        return np.float32(1)

    def update(self, parameters: Arrays, gradients: Arrays, rate: float, step: int) -> None:
        """Makes one step, with bias correction."""
        alpha = np.float32(rate * math.sqrt(1 - _BETA_2 ** (step + 1)) / (1 - _BETA_1 ** (step + 1)))
        half = len(self.slots) // 2
        for parameter, gradient, mean, square in zip(
            parameters, gradients, self.slots[:half], self.slots[half:], strict=True
        ):
            np.add(mean, (gradient - mean) * np.float32(1 - _BETA_1), out=mean)
            np.add(square, (gradient * gradient - square) * np.float32(1 - _BETA_2), out=square)
            np.subtract(parameter, alpha * mean / (np.sqrt(square) + np.float32(_EPSILON)), out=parameter)


def optimizer_of(name: str, momentum: float, parameters: Arrays) -> Optimizer:
    """Returns the optimizer with this name; "lbfgs" makes no steps of this kind and is in the module `lbfgs`.

    Args:
      name: "sgd", "momentum" or "adam".
      momentum: the coefficient; only "momentum" uses it.
      parameters: the arrays that it will change.
    """
    if name == "momentum":
        return Momentum(parameters, momentum)
    return Adam(parameters) if name == "adam" else Sgd()
