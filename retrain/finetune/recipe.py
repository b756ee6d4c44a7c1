"""A plan in, how its network is trained out: how many steps of how many photos, by what, at what rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from retrain.head.schedule import rate_at
from retrain.options.options import Options

FINE_TUNE_EPOCHS = 12
FINE_TUNE_RATES = {"sgd": 0.01, "momentum": 0.002, "adam": 0.001}
# Longer gradients are shortened to this: one odd batch must not throw pretrained weights away.
_LONGEST_GRADIENT = 1.0
_WARM_UP = 0.1  # of the steps
# Of --augment. A layer that knows its training photos by heart has nothing more to learn from them as they are: without these,
# fine-tuning a small MobileNet on 650 flowers lost 3 points (docs/tutorials.md).
_AUGMENTED = {"random_crop": 10, "random_scale": 30, "random_brightness": 20}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained."""

    steps: int
    batch_size: int
    optimizer: str  # "sgd", "momentum" or "adam"
    momentum: float
    rate: Callable[[int], float]  # of a step, from 0
    decay: float  # L2 penalty
    longest_gradient: float  # 0: as they come
    from_nothing: bool


def recipe_of(options: Options, photos: int) -> Recipe:
    """The recipe for so many training photos."""
    if options.finetune.weights == "none":
        size = photos if options.head.train_batch_size < 0 else min(options.head.train_batch_size, photos)
        steps = (
            math.ceil(options.finetune.epochs * photos / size)
            if options.finetune.epochs
            else options.head.how_many_training_steps
        )
        counted = options.replaced(how_many_training_steps=steps)  # what a cosine falls over
        momentum = 0.9 if options.head.momentum is None else options.head.momentum
        return Recipe(
            steps,
            size,
            options.head.optimizer,
            momentum,
            lambda step: rate_at(counted, step),
            options.head.decay,
            0.0,
            from_nothing=True,
        )
    size = min(options.finetune.fine_tune_batch_size, photos)
    steps = math.ceil((options.finetune.epochs or FINE_TUNE_EPOCHS) * photos / size)
    highest = (
        FINE_TUNE_RATES[options.finetune.fine_tune_optimizer]
        if options.finetune.fine_tune_learning_rate is None
        else options.finetune.fine_tune_learning_rate
    )
    return Recipe(
        steps, size, options.finetune.fine_tune_optimizer, 0.9, lambda step: warmed(highest, step, steps), options.head.decay,
        _LONGEST_GRADIENT, from_nothing=False,
    )  # fmt: skip


def augmented(options: Options) -> Options:
    """The plan with the distortions that it trains a network with."""
    if not options.finetune.augment or options.distortions.distorts or options.finetune.weights == "none":
        return options
    distortions: dict[str, Any] = _AUGMENTED
    return options.replaced(**distortions)


def warmed(highest: float, step: int, steps: int) -> float:
    """The rate of a step: up in a straight line over the first tenth, then down along half a cosine to nothing.

    >>> [round(warmed(1.0, step, 100), 3) for step in (0, 9, 55, 99)]
    [0.1, 1.0, 0.5, 0.0]
    """
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return highest * (step + 1) / warm
    return highest * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))) / 2
