"""Tests optimizers and learning rates against numbers computed by hand and against Keras's own."""

from __future__ import annotations

import math

import numpy as np
import pytest

from retrain.head.optimizers import Adam, Momentum, Sgd, optimizer_of
from retrain.head.schedule import rate_at
from retrain.options.options import Options
from retrain.pipeline.settings import layer_training


def training_of(**settings):
    return layer_training(Options.of(image_dir="x", **settings))


# Rates


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, {0: 0.5, 1: 0.5, 3999: 0.5}),
        # 0.5 * 0.1^(iter // 100)
        ({"lr_policy": "step", "gamma": 0.1, "stepsize": 100}, {0: 0.5, 99: 0.5, 100: 0.05, 250: 0.005}),
        # 0.5 * 0.99^iter: 0.99^100 = 0.36603234
        ({"lr_policy": "exp", "gamma": 0.99}, {0: 0.5, 1: 0.495, 100: 0.18301617}),
        # LeNet's solver: (1 + 0.0001 * 10,000)^-0.75 = 2^-0.75 = 0.59460356
        ({"lr_policy": "inv", "gamma": 0.0001, "power": 0.75}, {0: 0.5, 10_000: 0.29730178}),
        # half a cosine over 4,000 steps
        ({"lr_policy": "cosine"}, {0: 0.5, 1000: 0.25 * (1 + math.sqrt(0.5)), 2000: 0.25, 3000: 0.25 * (1 - math.sqrt(0.5))}),
    ],
)  # fmt: skip
def test_rates_are_caffes(settings, wanted):
    schedule = training_of(learning_rate=0.5, **settings).schedule
    assert {step: rate_at(schedule, step) for step in wanted} == pytest.approx(wanted, rel=1e-7)


# Steps, by hand


def walk(optimizer, gradients, rate, start=1.0):
    weight, seen = np.array([[start]], np.float32), []
    for step, gradient in enumerate(gradients):
        optimizer.update([weight], [np.array([[gradient]], np.float32) * optimizer.factor(rate)], rate, step)
        seen.append(float(weight[0, 0]))
    return seen


def test_gradient_descent_goes_the_rate_times_the_gradient():
    assert walk(Sgd(), [2, -1], 0.1) == pytest.approx([0.8, 0.9])


def test_momentum_keeps_a_share_of_its_last_step():
    # v = 0.2; then 0.5 * 0.2 - 0.1 = 0; then 0.5 * 0 + 0.3
    assert walk(Momentum([np.zeros((1, 1), np.float32)], 0.5), [2, -1, 3], 0.1) == pytest.approx([0.8, 0.8, 0.5])


def test_adams_first_step_is_the_rate_whatever_the_gradient():
    for gradient in (0.01, 5.0, -300.0):
        (after,) = walk(Adam([np.zeros((1, 1), np.float32)]), [gradient], 0.1)
        assert after == pytest.approx(1 - math.copysign(0.1, gradient), abs=1e-4)


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_each_optimizer_goes_where_keras_goes(name):
    keras = pytest.importorskip("keras")
    theirs = {
        "sgd": lambda: keras.optimizers.SGD(0.05),
        "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
        "adam": lambda: keras.optimizers.Adam(0.05),
    }[name]()
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 3)).astype(np.float32)
    variable = keras.Variable(weights.copy())
    theirs.build([variable])
    ours = optimizer_of(name, 0.9, [weights])
    for step in range(10):
        gradient = rng.normal(size=(4, 3)).astype(np.float32)
        theirs.apply([keras.ops.convert_to_tensor(gradient)])
        ours.update([weights], [gradient * ours.factor(0.05)], 0.05, step)
    # ten float32 steps of some 0.05 on weights of some 1: each rounds by 6e-8 of a weight a few times
    np.testing.assert_allclose(weights, np.asarray(variable), atol=3e-6)


def test_momentum_is_0_9_where_it_is_not_given():
    for settings, share in (({}, 0.9), ({"momentum": 0.5}, 0.5)):
        optimizer = optimizer_of(
            "momentum", training_of(optimizer="momentum", **settings).momentum, [np.zeros((1, 1), np.float32)]
        )
        first, second = walk(optimizer, [1, 0], 0.1)
        assert (1 - second) == pytest.approx((1 - first) * (1 + share), rel=1e-5)
