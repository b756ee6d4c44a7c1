"""Computes the training recipe of a network: number of steps, batch size, optimizer and learning rate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

from retrain.data.augment import Distortions
from retrain.head.schedule import Schedule, rate_at

FINE_TUNE_EPOCHS = 12
FINE_TUNE_RATES = {"sgd": 0.01, "momentum": 0.002, "adam": 0.001}
# The maximum norm of a gradient, by clipping: one unusual batch must not destroy pretrained weights.
_LONGEST_GRADIENT = 1.0
_WARM_UP = 0.1  # fraction of the steps
# The distortions of --augment. The trained layer already fits the undistorted training photos perfectly, so that these have almost
# no gradient left: without distortions, fine-tuning a small MobileNet on 650 flowers lost 3 points (docs/tutorials.md).
AUGMENTATION = Distortions(random_crop=10, random_scale=30, random_brightness=20)


@dataclass(frozen=True)
class Recipe:
    """The training recipe of a network."""

    steps: int
    batch_size: int
    optimizer: str  # "sgd", "momentum" or "adam"
    momentum: float
    rate: Callable[[int], float]  # learning rate of a step, counted from 0
    decay: float  # L2 penalty
    longest_gradient: float  # maximum norm; 0 disables clipping
    from_nothing: bool


def from_nothing(
    photos: int, *, epochs: int, batch_size: int, optimizer: str, momentum: float, schedule: Schedule, decay: float
) -> Recipe:
    """Returns the recipe for a network with random weights.

    Args:
      photos: in the training set.
      epochs: passes over them; 0 uses the steps of the schedule.
      batch_size: photos in each step; -1 means all of them.
      optimizer: "sgd", "momentum" or "adam".
      momentum: its coefficient.
      schedule: the learning rate of each step.
      decay: L2 penalty.
    """
    size = photos if batch_size < 0 else min(batch_size, photos)
    steps = math.ceil(epochs * photos / size) if epochs else schedule.steps
    counted = dataclasses.replace(schedule, steps=steps)  # a cosine falls over this number of steps
    return Recipe(steps, size, optimizer, momentum, lambda step: rate_at(counted, step), decay, 0.0, from_nothing=True)


def from_pretrained(
    photos: int,
    *,
    epochs: int,
    batch_size: int,
    optimizer: str,
    momentum: float,
    highest_rate: float | None,
    decay: float,
) -> Recipe:
    """Returns the recipe for fine-tuning a pretrained network.

    Args:
      photos: in the training set.
      epochs: passes over them; 0 uses the default.
      batch_size: photos a step.
      optimizer: "sgd", "momentum" or "adam".
      momentum: its coefficient.
      highest_rate: learning rate at the end of the warm-up; None uses the default of the optimizer.
      decay: L2 penalty.
    """
    size = min(batch_size, photos)
    steps = math.ceil((epochs or FINE_TUNE_EPOCHS) * photos / size)
    highest = FINE_TUNE_RATES[optimizer] if highest_rate is None else highest_rate
    return Recipe(
        steps, size, optimizer, momentum, lambda step: warmed(highest, step, steps), decay, _LONGEST_GRADIENT,
        from_nothing=False,
    )  # fmt: skip


def warmed(highest: float, step: int, steps: int) -> float:
    """Computes the learning rate of a step: a linear warm-up over the first tenth, then a cosine decay to 0.

    >>> [round(warmed(1.0, step, 100), 3) for step in (0, 9, 55, 99)]
    [0.1, 1.0, 0.5, 0.0]
    """
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return highest * (step + 1) / warm
    return highest * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))) / 2
