"""Tests the softmax layer: its steps against numbers computed in another way, what it keeps, and that training is repeatable."""

from __future__ import annotations

import dataclasses
import math
import tracemalloc

import numpy as np
import pytest

from label_image.softmax import softmax
from retrain.head import training
from retrain.head.sampler import LARGEST_VALIDATION_SUBSET
from retrain.head.train import Sampler, Standardiser, train
from retrain.head.training import Training
from retrain.metrics import cross_entropy, losses
from retrain.options.options import Options
from retrain.pipeline.settings import layer_training
from retrain.types import TESTING, TRAINING, VALIDATION, Bottlenecks


def bottlenecks(classes=3, a_list=(30, 10, 5), width=8, views=1, seed=0, apart=3.0):
    """Clouds of points, a class each, with so many photos a class in each list."""
    rng = np.random.default_rng(seed)
    label_ids = np.tile(np.arange(classes), sum(a_list))
    lists = np.repeat(np.array([TRAINING, VALIDATION, TESTING], np.int8), np.array(a_list) * classes)
    centres = rng.normal(0, apart, (classes, width))
    features = 5 + centres[label_ids] + rng.normal(size=(views, len(label_ids), width))
    return Bottlenecks(features.astype(np.float32), label_ids, lists)


def plan_of(**settings):
    return Options.of(image_dir="x", **{"how_many_training_steps": 50, "eval_step_interval": 1, **settings})


def trained(data, options, on_evaluation=lambda _: None, on_snapshot=lambda *_: None):
    labels = tuple(f"class {number}" for number in range(data.label_ids.max() + 1))
    return train(data, labels, layer_training(options), on_evaluation, on_snapshot)


def layers(data, options):
    """Weights and biases after each step, for standardised features."""
    seen = []
    trained(data, options, lambda point: seen.append((point.weights.copy(), point.biases.copy())))
    return seen


def numerical_gradient(features, label_ids, weights, biases):
    """Of the mean cross-entropy, by differences in float64; biases are the last row."""
    layer = np.concatenate([weights, biases[None]]).astype(np.float64)
    features = np.concatenate([features, np.ones((len(features), 1))], axis=1)

    def loss(change):
        return cross_entropy(features @ (layer + change), label_ids)

    gradient = np.zeros_like(layer)
    for place in np.ndindex(layer.shape):
        change = np.zeros_like(layer)
        change[place] = 1e-5
        gradient[place] = (loss(change) - loss(-change)) / 2e-5
    return gradient


# Steps


def test_each_step_goes_down_the_gradient():
    data, rate = bottlenecks(width=4), 0.5
    rows = data.rows(TRAINING)
    features = Standardiser(data.features[0, rows])(data.features[0, rows])
    steps = layers(data, plan_of(train_batch_size=-1, learning_rate=rate, how_many_training_steps=4))
    before = (np.zeros((4, 3)), np.zeros(3))
    for after in steps:
        gradient = numerical_gradient(features, data.label_ids[rows], *before)
        walked = np.concatenate([before[0] - after[0], (before[1] - after[1])[None]])
        np.testing.assert_allclose(walked, rate * gradient, atol=1e-6)
        before = after


def test_classes_that_can_be_told_apart_are():
    data = bottlenecks(classes=5, apart=8.0)
    head = trained(data, plan_of(how_many_training_steps=300, eval_step_interval=50))
    assert (head.logits(data.features[0]).argmax(axis=1) == data.label_ids).all()
    assert head.curve.train_accuracy[-1] == head.curve.validation_accuracy[-1] == 1


def test_weights_stay_numbers_at_the_largest_rate_there_is():
    head = trained(bottlenecks(apart=0.1), plan_of(learning_rate=1000.0, how_many_training_steps=300))
    assert np.isfinite(head.weights).all()
    assert np.isfinite(head.curve.validation_loss).all()


def test_the_head_says_of_plain_features_what_the_layer_says_of_standardised_ones():
    data, points = bottlenecks(), []
    head = trained(data, plan_of(validation_batch_size=-1), points.append)
    kept = points[head.curve.kept_step]
    logits = head.logits(data.features[0, data.rows(VALIDATION)])
    np.testing.assert_allclose(logits, kept.validation_logits, atol=1e-5)  # float32 sums in another order
    assert (head.weights.dtype, head.weights.shape) == (np.float32, (8, 3))
    assert (head.biases.dtype, head.biases.shape) == (np.float32, (3,))
    assert head.labels == ("class 0", "class 1", "class 2")


def test_the_features_are_left_as_they_are():
    data = bottlenecks(views=2)
    before = data.features.copy()
    trained(data, plan_of())
    assert data.features.tobytes() == before.tobytes()


def test_training_copies_the_features_once():
    data = bottlenecks(classes=10, a_list=(800, 100, 100), width=256)
    tracemalloc.start()
    trained(data, plan_of(how_many_training_steps=3))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.4 * data.features.nbytes


# Standardising


def test_features_are_divided_by_the_root_of_variance_plus_median_variance():
    # means 3, 5, 0; variances 4, 0, 100, of which the median is 4; spreads sqrt 8, -, sqrt 104
    features = np.array([[1, 5, -10], [5, 5, 10]], np.float32)
    standardiser = Standardiser(features)
    np.testing.assert_allclose(standardiser.mean, [3, 5, 0])
    np.testing.assert_allclose(standardiser.scale, [1 / math.sqrt(8), 0, 1 / math.sqrt(104)], rtol=1e-6)
    np.testing.assert_allclose(
        standardiser(features), [[-2 / math.sqrt(8), 0, -10 / math.sqrt(104)], [2 / math.sqrt(8), 0, 10 / math.sqrt(104)]],
        rtol=1e-6,
    )  # fmt: skip


def test_many_rows_are_standardised_as_numpy_would():
    rng = np.random.default_rng(1)
    features = (1000 + rng.normal(size=(2, 5000, 6)) * [1, 2, 3, 4, 5, 6]).astype(np.float32)
    standardiser = Standardiser(features)
    variance = features.astype(np.float64).var(axis=(0, 1))
    np.testing.assert_allclose(standardiser.mean, features.mean(axis=(0, 1), dtype=np.float64), rtol=1e-7)
    np.testing.assert_allclose(standardiser.scale, 1 / np.sqrt(variance + np.median(variance)), rtol=1e-6)


def test_a_feature_that_hardly_varies_is_not_blown_up():
    features = np.random.default_rng(1).normal(size=(1000, 5)).astype(np.float32)
    features[:, 0] *= 1e-3
    scaled = Standardiser(features)(features.copy())
    assert scaled[:, 0].std() < 0.01
    assert 0.5 < scaled[:, 1].std() < 1


def test_a_feature_that_never_varies_gets_no_weight():
    data = bottlenecks()
    data.features[..., 2] = 7
    assert (trained(data, plan_of()).weights[2] == 0).all()


# Sampling


def test_classes_are_drawn_alike_however_many_photos_they_have_and_photos_alike_within():
    counts = [1, 10, 0, 100]
    label_ids = np.random.default_rng(0).permutation(np.repeat(np.arange(4), counts))
    sampler = Sampler(label_ids, 5, 100, np.random.default_rng(1))
    drawn = np.concatenate([sampler.draw() for _ in range(600)])
    times = np.bincount(drawn, minlength=111)
    by_class = [times[label_ids == label] for label in range(4)]
    # 60,000 draws over three classes: 20,000 each, give or take five deviations of 115
    assert [abs(times.sum() - 20_000) < 600 for times in by_class] == [True, True, False, True]
    assert by_class[2].sum() == 0
    assert np.abs(by_class[1] - 2000).max() < 5 * math.sqrt(2000)
    assert np.abs(by_class[3] - 200).max() < 5 * math.sqrt(200)


def test_a_batch_is_drawn_with_replacement():
    sampler = Sampler(np.array([0, 1]), 2, 50, np.random.default_rng(0))
    assert set(sampler.draw().tolist()) == {0, 1}


def test_size_minus_1_is_every_photo_once_in_order():
    sampler = Sampler(np.array([1, 0, 1, 1]), 2, -1, np.random.default_rng(0))
    assert [sampler.draw().tolist() for _ in range(2)] == [[0, 1, 2, 3]] * 2


def test_an_empty_list_gives_empty_batches():
    assert Sampler(np.zeros(0, np.int64), 3, 100, np.random.default_rng(0)).draw().tolist() == []


def test_a_huge_batch_takes_little_more_memory_than_itself():
    sampler = Sampler(np.arange(1000) % 7, 7, 1_000_000, np.random.default_rng(0))
    tracemalloc.start()
    assert len(sampler.draw()) == 1_000_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 8_000_000


def test_batches_are_as_large_as_asked_and_minus_1_is_all():
    points = []
    trained(bottlenecks(), plan_of(train_batch_size=7, validation_batch_size=11), points.append)
    assert {(len(point.train_logits), point.validation_count) for point in points} == {(7, 11)}
    points = []
    trained(bottlenecks(), plan_of(train_batch_size=-1, validation_batch_size=-1), points.append)
    assert {(len(point.train_logits), point.validation_count) for point in points} == {(90, 30)}


def test_distorted_views_are_trained_on_and_the_plain_one_is_validated_on():
    data = bottlenecks(views=3)
    data.features[0, data.rows(TRAINING)] = np.nan
    data.features[1:, data.rows(VALIDATION)] = np.nan
    head = trained(data, plan_of())
    assert np.isfinite(head.weights).all()
    assert np.isfinite(head.curve.validation_loss).all()


def test_each_photo_of_a_batch_is_drawn_in_any_of_its_views():
    data = bottlenecks(views=4)
    data.features[:] = np.arange(4)[:, None, None]
    data.features[..., 0] += 100 * data.label_ids
    features, label_ids = Training(data, 3, layer_training(plan_of(train_batch_size=3000))).step()
    views = np.unique(features[:, 1], return_counts=True)[1]
    assert len(views) == 3  # the plain one is not among them
    assert np.abs(views - 1000).max() < 150  # 3,000 draws: deviation 26
    assert [len(np.unique(features[label_ids == label, 0])) for label in range(3)] == [3, 3, 3]


# What is evaluated and kept


@pytest.mark.parametrize(
    ("steps", "interval", "wanted"),
    [(500, 10, [*range(0, 500, 10), 499]), (21, 10, [0, 10, 20]), (1, 10, [0]), (3, 1, [0, 1, 2]), (0, 10, [])],
)
def test_evaluations_come_at_the_originals_steps(steps, interval, wanted):
    points = []
    head = trained(bottlenecks(), plan_of(how_many_training_steps=steps, eval_step_interval=interval), points.append)
    assert [point.step for point in points] == wanted
    assert list(head.curve.steps) == wanted


def test_the_batch_is_measured_after_its_update():
    points = []
    trained(bottlenecks(apart=0.1), plan_of(how_many_training_steps=1, learning_rate=0.1), points.append)
    assert points[0].train_loss < math.log(3)  # which is what zero weights give


def test_the_step_with_the_best_loss_on_the_whole_validation_list_is_kept():
    data = bottlenecks(apart=0.3, a_list=(6, 20, 0), seed=3)  # few photos, much noise: it soon learns by heart
    points = []
    options = plan_of(how_many_training_steps=400, learning_rate=0.3, validation_batch_size=-1)
    head = trained(data, options, lambda point: points.append(dataclasses.replace(point, weights=point.weights.copy())))
    best = min(points, key=lambda point: point.validation_loss)
    assert 0 < best.step < 399
    assert head.curve.kept_step == best.step
    rows = data.rows(VALIDATION)
    assert cross_entropy(head.logits(data.features[0, rows]), data.label_ids[rows]) == pytest.approx(
        best.validation_loss, abs=1e-5
    )
    logged = trained(data, options.replaced(validation_batch_size=3))  # what is shown does not decide
    assert logged.curve.kept_step == best.step


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"optimizer": "adam"}, {"optimizer": "momentum", "hidden_units": "8"}, {"early_stopping_steps": 20}, {"optimizer": "lbfgs"},
        {"eval_step_interval": 7}, {"train_batch_size": -1},
    ],
)  # fmt: skip
def test_the_curve_holds_the_losses_that_the_kept_step_was_chosen_by(settings):
    data = bottlenecks(apart=0.3, a_list=(6, 20, 0), seed=3)
    steps = {} if settings.get("optimizer") == "lbfgs" else {"how_many_training_steps": 200, "learning_rate": 0.1}
    options = Options.of(image_dir="x", **{"validation_batch_size": 9, "eval_step_interval": 1, **steps, **settings})
    curve = trained(data, options).curve
    assert len(curve.judged_loss) == len(curve.steps)
    assert curve.judged_photos == 60
    assert curve.kept_step == curve.steps[int(np.argmin(curve.judged_loss))]
    if len(curve.steps) > 3:
        assert list(curve.judged_loss) != list(curve.validation_loss)  # which is of the nine that were drawn


def test_a_snapshot_of_an_earlier_version_lacks_those_losses_and_is_gone_on_from():
    old = np.arange(10.0).reshape(2, 5)
    assert training.with_judged(old)[:, :5].tolist() == old.tolist()
    assert np.isnan(training.with_judged(old)[:, 5]).all()
    new = np.arange(12.0).reshape(2, 6)
    assert training.with_judged(new).tolist() == new.tolist()


@pytest.mark.parametrize(("size", "judges"), [(100, LARGEST_VALIDATION_SUBSET), (-1, 3 * 900)])
def test_many_validation_photos_are_judged_by_some_unless_all_are_asked_for(size, judges, monkeypatch):
    seen = []
    monkeypatch.setattr(training, "losses", lambda logits, ids: seen.append(ids.tolist()) or losses(logits, ids))
    trained(bottlenecks(a_list=(30, 900, 5)), plan_of(how_many_training_steps=3, validation_batch_size=size))
    assert {len(ids) for ids in seen} == {judges}
    assert len({tuple(ids) for ids in seen}) == 1  # the same ones each time
    counts = np.bincount(seen[0])
    assert counts.min() > 0.9 * counts.max()


def test_without_a_validation_list_the_last_step_is_kept():
    points = []
    head = trained(bottlenecks(a_list=(30, 0, 5)), plan_of(how_many_training_steps=25), points.append)
    assert head.curve.kept_step == 24
    assert {point.validation_count for point in points} == {0}
    assert all(math.isnan(value) for value in (*head.curve.validation_accuracy, *head.curve.validation_loss))
    assert all(math.isfinite(value) for value in head.curve.train_loss)


def test_a_loss_that_is_no_number_is_not_the_best():
    data, sick = bottlenecks(), []

    def fall_ill(point):
        if point.step == 5:
            point.weights[:] = np.nan
            sick.append(point.step)

    head = trained(data, plan_of(), fall_ill)
    assert sick == [5]
    assert head.curve.kept_step <= 5
    assert np.isfinite(head.weights).all()


def test_no_steps_make_a_head_that_knows_nothing():
    head = trained(bottlenecks(), plan_of(how_many_training_steps=0))
    assert softmax(head.logits(np.ones((1, 8), np.float32))).tolist() == [[np.float32(1 / 3)] * 3]
    assert (head.curve.steps, head.curve.kept_step, head.curve.stopped_early) == ((), -1, False)


def test_snapshots_come_every_so_many_steps_never_at_the_first_and_do_not_change_later():
    taken, points = {}, {}

    def on_snapshot(step, head):
        taken[step] = (head, head.weights.tobytes())

    trained(
        bottlenecks(),
        plan_of(how_many_training_steps=31, intermediate_store_frequency=10),
        lambda point: points.update({point.step: point.train_loss}),
        on_snapshot,
    )
    assert list(taken) == [10, 20, 30]
    assert len({bits for _, bits in taken.values()}) == 3
    assert all(head.weights.tobytes() == bits for head, bits in taken.values())


def test_the_curve_of_1000_classes_holds_numbers_only():
    data = bottlenecks(classes=1000, a_list=(2, 1, 0), width=64)
    tracemalloc.start()
    head = trained(data, plan_of(how_many_training_steps=60))
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    curve = dataclasses.asdict(head.curve)
    assert {type(value) for values in curve.values() if isinstance(values, tuple) for value in values} == {int, float}
    weights = 4 * 64 * 1000
    assert left < 2 * weights + 100_000  # 60 evaluations that kept their weights would be 60 times that
    assert peak < 60 * weights


# Repeating


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    data = bottlenecks(views=3)
    heads = [trained(data, plan_of(seed=seed)) for seed in (4, 4, 5)]
    bits = [(head.weights.tobytes(), head.biases.tobytes(), head.curve) for head in heads]
    assert bits[0] == bits[1]
    assert bits[0][0] != bits[2][0]


def test_how_often_is_evaluated_does_not_change_the_steps():
    data, seen = bottlenecks(), []
    for interval, size in ((1, 5), (7, -1)):
        options = plan_of(eval_step_interval=interval, validation_batch_size=size, how_many_training_steps=50)
        seen.append(layers(data, options)[-1][0].tobytes())
    assert seen[0] == seen[1]


def test_small_steps_run_on_one_thread_and_the_limit_is_lifted_after():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def blas():
        return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}

    before, during = blas(), set()
    trained(bottlenecks(), plan_of(how_many_training_steps=1), lambda _: during.update(blas()))
    assert during == {1}
    assert blas() == before


# Ctrl-C


@pytest.mark.parametrize("when", [0, 20])
def test_ctrl_c_ends_training_with_what_there_is(when):
    def interrupt(point):
        if point.step == when:
            raise KeyboardInterrupt

    data = bottlenecks()
    head = trained(data, plan_of(), interrupt)
    whole = trained(data, plan_of(how_many_training_steps=when + 1))
    assert head.curve.stopped_early
    assert not whole.curve.stopped_early
    assert head.weights.tobytes() == whole.weights.tobytes()
    assert head.curve.steps == tuple(range(when + 1))


def failing(cause):
    def fail(point):
        if point.step == 20:
            raise SystemError("returned a result with an exception set") from cause

    return fail


def test_ctrl_c_that_c_code_turned_into_a_system_error_ends_training_too():
    assert trained(bottlenecks(), plan_of(), failing(KeyboardInterrupt())).curve.stopped_early


def test_another_system_error_is_not_taken_for_ctrl_c():
    with pytest.raises(SystemError):
        trained(bottlenecks(), plan_of(), failing(None))


def test_ctrl_c_before_anything_was_evaluated_leaves_an_empty_curve(monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Sampler, "draw", interrupt)
    head = trained(bottlenecks(), plan_of())
    assert (head.curve.steps, head.curve.kept_step, head.curve.stopped_early) == ((), -1, True)
    assert (head.weights == 0).all()
