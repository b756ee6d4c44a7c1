"""The exact head: an optimum by its own gradient, the same twice, a decay that serves photos not seen."""

from __future__ import annotations

import dataclasses
import importlib.util
import time

import numpy as np
import pytest

from label_image.errors import UserError
from retrain.head import lbfgs, weight_decay
from retrain.head.lbfgs import Problem, axes_of, solve
from retrain.head.training import balanced_sample_weights
from retrain.head.weight_decay import DECAYS
from retrain.types import TESTING, TRAINING, VALIDATION
from tests.test_head import bottlenecks, plan_of, trained

pytest.importorskip("scipy")


def problem_of(n=120, width=10, classes=3, apart=0.5, seed=0, **settings):
    rng = np.random.default_rng(seed)
    label_ids = np.arange(n) % classes
    features = apart * rng.normal(size=(classes, width))[label_ids] + rng.normal(size=(n, width))
    return Problem(features.astype(np.float32), label_ids, classes, **settings)


def best_decay(problem, views=1):
    return weight_decay.best_decay(problem, *axes_of(problem.features), views)


def loss_at(problem, layer, decay):
    """What is to be smallest, written anew."""
    logits = problem.features.astype(np.float64) @ layer[:, :-1].T + layer[:, -1]
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    wanted = np.full(logs.shape, problem.smoothing / problem.classes)
    wanted[np.arange(len(logs)), problem.label_ids] += 1 - problem.smoothing
    weights = 1.0 if problem.sample_weights is None else problem.sample_weights
    return float((-(wanted * logs).sum(axis=1) * weights).mean() + decay / 2 * (layer[:, :-1] ** 2).sum())


@pytest.mark.parametrize(
    "settings", [{}, {"smoothing": 0.1}, {"sample_weights": np.float32(np.linspace(0.2, 1.8, 120))}]
)
@pytest.mark.parametrize("decay", [1e-3, 0.1])
def test_the_answer_is_an_optimum(settings, decay):
    problem = problem_of(**settings)
    layer, _ = solve(problem, decay)
    best = loss_at(problem, layer, decay)
    rng = np.random.default_rng(1)
    for size in (1e-3, 0.1, 3.0):  # the loss is convex: what no step of any size betters is the least there is
        for _ in range(20):
            assert loss_at(problem, layer + size * rng.normal(size=layer.shape) / layer.size**0.5, decay) > best
    for place in np.ndindex(layer.shape):
        change = np.zeros_like(layer)
        change[place] = 1e-4
        slope = (loss_at(problem, layer + change, decay) - loss_at(problem, layer - change, decay)) / 2e-4
        assert abs(slope) < 3e-6


def test_it_is_what_scikit_learn_finds():
    linear_model = pytest.importorskip("sklearn.linear_model")
    problem, decay = problem_of(), 0.01
    layer, _ = solve(problem, decay)
    theirs = linear_model.LogisticRegression(C=1 / (decay * len(problem.label_ids)), tol=1e-9, max_iter=5000)
    theirs.fit(problem.features.astype(np.float64), problem.label_ids)
    np.testing.assert_allclose(layer[:, :-1], theirs.coef_, atol=1e-4)
    np.testing.assert_allclose(np.diff(layer[:, -1]), np.diff(theirs.intercept_), atol=1e-4)


def test_where_it_starts_changes_nothing_but_the_time():
    problem = problem_of()
    cold, _ = solve(problem, 0.01)
    warm, _ = solve(problem, 0.01, solve(problem, 0.1)[0])
    np.testing.assert_allclose(warm, cold, atol=2e-4)


def test_the_decay_is_strong_for_noise_and_weak_for_clouds_far_apart():
    noise = problem_of(n=60, width=40, apart=0.0)
    clouds = problem_of(n=600, width=5, apart=3.0)
    assert best_decay(noise) == DECAYS[0]
    assert best_decay(clouds) <= 0.01


def test_views_of_a_photo_are_left_out_together():
    # Views that are copies: were they left out alone, learning them by heart would seem to pay.
    noise = problem_of(n=63, width=40, apart=0.0)  # 21 a class: copies fall into other folds than what they copy
    copies = Problem(np.tile(noise.features, (5, 1)), np.tile(noise.label_ids, 5), 3)
    assert best_decay(copies, views=5) == DECAYS[0]
    assert best_decay(copies, views=1) < DECAYS[0]


def test_a_photo_or_two_a_class_leave_nothing_to_compare():
    assert best_decay(problem_of(n=1, classes=1)) == DECAYS[0]


def test_training_by_lbfgs_gives_the_same_bits_whatever_the_seed():
    data = bottlenecks(apart=1.0)
    heads = [trained(data, plan_of(optimizer="lbfgs", seed=seed)) for seed in (1, 1, 2)]
    assert len({head.weights.tobytes() + head.biases.tobytes() for head in heads}) == 1
    assert heads[0].curve.weight_decay in DECAYS
    assert len(heads[0].curve.steps) == 1
    assert heads[0].curve.kept_step == heads[0].curve.steps[0] > 0


def test_validation_and_test_photos_are_not_looked_at():
    data, options = bottlenecks(apart=1.0), plan_of(optimizer="lbfgs")
    other = dataclasses.replace(data, features=data.features.copy(), label_ids=data.label_ids.copy())
    for which in (VALIDATION, TESTING):
        other.features[0, data.rows(which)] = 7
    assert trained(data, options).weights.tobytes() == trained(other, options).weights.tobytes()


def test_its_loss_on_what_it_trained_on_is_below_gradient_descents_with_the_same_decay():
    data = bottlenecks(apart=0.3, a_list=(100, 10, 0))
    exact, walked = (
        trained(data, plan_of(weight_decay="0.01", train_batch_size=-1, **more)).curve.train_loss[-1]
        for more in ({"optimizer": "lbfgs"}, {"learning_rate": 0.5, "how_many_training_steps": 3000})
    )
    # Without the penalty the two need not be ordered; they are the same point, near enough.
    assert exact == pytest.approx(walked, abs=2e-3)


def test_balanced_classes_weigh_the_same():
    data = bottlenecks(classes=2, a_list=(40, 5, 0), apart=0.1)
    few = np.flatnonzero((data.label_ids == 1) & (data.lists == TRAINING))[8:]
    lists = data.lists.copy()
    lists[few] = TESTING  # 40 against 8
    data = dataclasses.replace(data, lists=lists)
    said = {}
    for weights in ("none", "balanced"):
        head = trained(data, plan_of(optimizer="lbfgs", weight_decay="1", class_weights=weights))
        said[weights] = int((head.logits(data.features[0]).argmax(axis=1) == 1).sum())
    assert said["none"] < 10 < said["balanced"]
    assert balanced_sample_weights(np.array([0] * 40 + [1] * 8)).sum() == pytest.approx(48)


def test_without_scipy_it_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="SciPy is not installed; pip install 'scipy>=1.11,<2'"):
        lbfgs.check_installed()


def test_wide_features_are_solved_as_exactly(monkeypatch):
    # More features than axes: what lies across them is stretched by one factor, and the blocks are several.
    monkeypatch.setattr(lbfgs, "AXES", 6)
    monkeypatch.setattr(lbfgs, "_NUMBERS_AT_ONCE", 100)
    problem = problem_of(width=40, smoothing=0.1, sample_weights=np.float32(np.linspace(0.2, 1.8, 120)))
    axes, on_axes = axes_of(problem.features)
    assert (axes.vectors.shape, on_axes.shape) == ((40, 6), (120, 6))
    np.testing.assert_allclose(problem.features @ axes.vectors, on_axes, atol=1e-4)
    assert axes.rest > 0
    few, _ = solve(problem, 0.01)
    monkeypatch.undo()
    np.testing.assert_allclose(few, solve(problem, 0.01)[0], atol=1e-4)


@pytest.mark.parametrize("decay", [0.3, 0.01])
def test_the_loss_of_photos_left_out_is_that_of_heads_that_never_saw_them(decay, monkeypatch):
    monkeypatch.setattr(weight_decay, "DECAYS", (decay,))
    problem = problem_of(smoothing=0.1)
    axes, on_axes = axes_of(problem.features)
    (each,) = weight_decay._losses(
        dataclasses.replace(problem, features=on_axes), dataclasses.replace(axes, vectors=None), 1
    )
    fold_of = weight_decay._folds(problem.label_ids)
    for fold in range(weight_decay.FOLDS):
        kept, out = (weight_decay._part(problem, np.flatnonzero(rows)) for rows in (fold_of != fold, fold_of == fold))
        layer, _ = solve(kept, decay)
        assert each[fold_of == fold].mean() == pytest.approx(loss_at(out, layer, 0.0), abs=5e-4)


@pytest.mark.slow
def test_3670_photos_of_1280_features_take_seconds():
    data = bottlenecks(classes=5, a_list=(734, 0, 0), width=1280, apart=0.15)
    for decay, limit in (("0.01", 4), ("auto", 6)):  # 0.5 and 1.5 s of one core where nothing else works
        start = time.process_time()
        trained(data, plan_of(optimizer="lbfgs", weight_decay=decay))
        assert time.process_time() - start < limit
