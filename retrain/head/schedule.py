"""Computes the learning rate of each step; the policies and their parameters have the names that Caffe gives them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """How the learning rate changes from step to step; parameters that the policy does not use are None."""

    learning_rate: float = 0.01
    policy: str = "fixed"  # "fixed", "step", "inv", "exp" or "cosine"
    gamma: float | None = None
    power: float | None = None
    stepsize: int | None = None  # number of steps with the same rate
    steps: int = 4000  # of the whole training; a cosine falls over all of them


# As Caffe's `lr_policy` of the same name (see its caffe.proto), except cosine, which Caffe does not have.
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
    gamma^step; cosine decreases along half a cosine, to 0 after the last step.

    >>> schedule = Schedule(0.1, "step", gamma=0.5, stepsize=10)
    >>> [rate_at(schedule, step) for step in (0, 9, 10, 25)]
    [0.1, 0.1, 0.05, 0.025]
    """
    return schedule.learning_rate * _POLICIES[schedule.policy](schedule, step)


def _of(number: float | None) -> float:
    assert number is not None, "the options were checked"  # noqa: S101 - HeadOptions refuses it before
    return number
