"""A plan and a step in, the learning rate of that step out: Caffe's policies, with Caffe's names for their numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

from retrain.options.options import Options

# What each policy needs; Caffe's `lr_policy` of the same name (its caffe.proto), but for cosine, which it lacks.
_POLICIES: dict[str, Callable[[Options, int], float]] = {
    "fixed": lambda options, step: 1.0,  # noqa: ARG005 - one signature for all
    "step": lambda options, step: _of(options.head.gamma) ** (step // int(_of(options.head.stepsize))),
    "inv": lambda options, step: (1 + _of(options.head.gamma) * step) ** -_of(options.head.power),
    "exp": lambda options, step: _of(options.head.gamma) ** step,
    "cosine": lambda options, step: (1 + math.cos(math.pi * step / options.head.how_many_training_steps)) / 2,
}


def rate_at(options: Options, step: int) -> float:
    """The learning rate of a step; steps count from 0.

    fixed is --learning_rate; step times gamma^(step // stepsize); inv times (1 + gamma * step)^-power; exp times
    gamma^step; cosine falls along half a cosine to nothing behind the last step.

    >>> plan = Options.of(image_dir="x", learning_rate=0.1, lr_policy="step", gamma=0.5, stepsize=10)
    >>> [rate_at(plan, step) for step in (0, 9, 10, 25)]
    [0.1, 0.1, 0.05, 0.025]
    """
    return options.head.learning_rate * _POLICIES[options.head.lr_policy](options, step)


def _of(number: float | None) -> float:
    assert number is not None, "the plan was checked"  # noqa: S101 - training_checks refuses it before
    return number
