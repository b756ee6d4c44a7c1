"""Computes the learning rate of each step, by Caffe's policies and with Caffe's names for their numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """How the learning rate changes from step to step; what a policy does not need stays None."""

    learning_rate: float = 0.01
    policy: str = "fixed"  # "fixed", "step", "inv", "exp" or "cosine"
    gamma: float | None = None
    power: float | None = None
    stepsize: int | None = None  # steps of one rate
    steps: int = 4000  # of the whole training, over which a cosine falls


# Caffe's `lr_policy` of the same name (its caffe.proto), but for cosine, which it lacks.
_POLICIES: dict[str, Callable[[Schedule, int], float]] = {
    "fixed": lambda schedule, step: 1.0,  # noqa: ARG005 - one signature for all
    "step": lambda schedule, step: _of(schedule.gamma) ** (step // int(_of(schedule.stepsize))),
    "inv": lambda schedule, step: (1 + _of(schedule.gamma) * step) ** -_of(schedule.power),
    "exp": lambda schedule, step: _of(schedule.gamma) ** step,
    "cosine": lambda schedule, step: (1 + math.cos(math.pi * step / schedule.steps)) / 2,
}


def rate_at(schedule: Schedule, step: int) -> float:
    """Computes the learning rate of a step; steps count from 0.

    fixed is the learning rate itself; step times gamma^(step // stepsize); inv times (1 + gamma * step)^-power; exp times
    gamma^step; cosine falls along half a cosine to nothing after the last step.

    >>> schedule = Schedule(0.1, "step", gamma=0.5, stepsize=10)
    >>> [rate_at(schedule, step) for step in (0, 9, 10, 25)]
    [0.1, 0.1, 0.05, 0.025]
    """
    return schedule.learning_rate * _POLICIES[schedule.policy](schedule, step)


def _of(number: float | None) -> float:
    assert number is not None, "the options were checked"  # noqa: S101 - HeadOptions refuses it before
    return number
