"""Implements the optimizers of `retrain.head.optimizers` for TensorFlow variables, on every device.

There is one function for each optimizer. Its state (slots) has the shape of the variable, in plain tf.Variables that a snapshot stores.
"""

from __future__ import annotations

from typing import Any

SLOTS = {"sgd": 0, "momentum": 1, "adam": 2}  # number of slots of each variable
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7  # the defaults of Keras, as for the layer


def update(tf: Any, optimizer: str, momentum: float) -> Any:
    """Returns the update function (variable, gradient, rate, step from 0, *slots), which changes variable and slots in place."""

    def sgd(variable: Any, gradient: Any, rate: Any, _: Any) -> None:
        variable.assign_sub(rate * gradient)

    def with_momentum(variable: Any, gradient: Any, rate: Any, _: Any, velocity: Any) -> None:
        velocity.assign(momentum * velocity + rate * gradient)
        variable.assign_sub(velocity)

    def adam(variable: Any, gradient: Any, rate: Any, step: Any, mean: Any, square: Any) -> None:
        count = tf.cast(step, tf.float32) + 1
        alpha = rate * tf.sqrt(1 - _BETA_2**count) / (1 - _BETA_1**count)
        mean.assign_add((gradient - mean) * (1 - _BETA_1))
        square.assign_add((tf.square(gradient) - square) * (1 - _BETA_2))
        variable.assign_sub(alpha * mean / (tf.sqrt(square) + _EPSILON))

    return {"sgd": sgd, "momentum": with_momentum, "adam": adam}[optimizer]
