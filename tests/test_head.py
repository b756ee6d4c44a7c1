"""The softmax layer: what it learns, how it draws, what it keeps."""

from __future__ import annotations

import numpy as np
import pytest

from retrain import head
from retrain.head import Sampler, Standardiser, train
from retrain.metrics import cross_entropy
from retrain.nouns import TESTING, TRAINING, VALIDATION, Bottlenecks
from retrain.plan import Plan


def blobs(classes=3, photos=60, width=8, views=1, seed=0):
    """Photos of a class lie around a point of its own; six in ten train, two validate, two test."""
    rng = np.random.default_rng(seed)
    ids = np.arange(classes * photos) % classes
    centres = rng.normal(0, 3, (classes, width))
    features = (centres[ids] + rng.normal(0, 0.5, (views, len(ids), width))).astype(np.float32)
    lists = np.array([TRAINING, TRAINING, TRAINING, VALIDATION, TESTING], np.int8)[np.arange(len(ids)) // classes % 5]
    return Bottlenecks(features, ids, lists)


def plan(**changes):
    return Plan(image_dir="x", **{"how_many_training_steps": 200, **changes})


def trained(data, *, seen=None, snapshots=None, **changes):
    seen, snapshots = [] if seen is None else seen, [] if snapshots is None else snapshots
    labels = tuple("abcdefghij"[: int(data.label_ids.max()) + 1])
    return train(data, labels, plan(**changes), seen.append, lambda step, layer: snapshots.append((step, layer)))


def right(layer, data, which):
    rows = data.rows(which)
    return float((layer.logits(data.features[0, rows]).argmax(axis=1) == data.label_ids[rows]).mean())


def test_classes_that_lie_apart_are_told_apart():
    data = blobs()
    assert right(trained(data), data, TESTING) == 1.0


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    data = blobs()
    first, again, other = trained(data, seed=5), trained(data, seed=5), trained(data, seed=6)
    assert first.weights.tobytes() == again.weights.tobytes()
    assert first.weights.tobytes() != other.weights.tobytes()


def test_training_leaves_the_features_as_they_were():
    data = blobs()
    before = data.features.copy()
    trained(data)
    assert np.array_equal(data.features, before)


def test_a_step_goes_down_the_gradient_as_numbers_say():
    """One step from zero on the whole list: minus the rate times the slope that small changes of a weight show."""
    data, epsilon = blobs(photos=10, width=3), 1e-3
    layer = trained(data, how_many_training_steps=1, train_batch_size=-1, validation_percentage=0, learning_rate=1.0)
    rows = data.rows(TRAINING)
    standardise = Standardiser(data.features[:, rows].copy())
    features, ids = standardise(data.features[0, rows].copy()), data.label_ids[rows]
    slope = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            weights = np.zeros((3, 3), np.float32)
            weights[i, j] = epsilon
            slope[i, j] = (cross_entropy(features @ weights, ids) - cross_entropy(features @ -weights, ids)) / (
                2 * epsilon
            )
    expected, _ = standardise.folded(-slope.astype(np.float32), np.zeros(3, np.float32))
    np.testing.assert_allclose(layer.weights, expected, atol=2e-4)  # float32 differences of about 1e-4


def test_folded_weights_say_of_plain_features_what_the_layer_says_of_standardised_ones():
    rng = np.random.default_rng(1)
    features = rng.normal(5, 3, (50, 7)).astype(np.float32)
    features[:, 2] = 1.5  # never varies
    standardise = Standardiser(features.copy())
    weights, biases = rng.normal(size=(7, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    plain, shift = standardise.folded(weights, biases)
    np.testing.assert_allclose(features @ plain + shift, standardise(features.copy()) @ weights + biases, atol=1e-4)
    assert not plain[2].any()


def test_a_feature_that_hardly_varies_is_not_blown_up():
    rng = np.random.default_rng(1)
    features = rng.normal(0, 1, (1000, 5)).astype(np.float32)
    features[:, 0] *= 1e-3
    scaled = Standardiser(features.copy())(features.copy())
    assert scaled[:, 0].std() < 0.01
    assert 0.5 < scaled[:, 1].std() < 1


def test_a_batch_draws_the_class_first():
    ids = np.array([0] * 990 + [1] * 10)
    sampler = Sampler(ids, 2, 100, np.random.default_rng(0))
    drawn = np.concatenate([sampler.draw() for _ in range(100)])
    assert abs((ids[drawn] == 1).mean() - 0.5) < 0.03  # 10,000 draws: deviation 0.005
    assert set(drawn[ids[drawn] == 1]) == set(range(990, 1000))


def test_a_class_without_photos_in_the_list_is_not_drawn():
    ids = np.array([0, 2, 2])
    sampler = Sampler(ids, 3, 50, np.random.default_rng(0))
    assert {int(ids[i]) for i in sampler.draw()} == {0, 2}


def test_a_size_of_minus_one_is_every_photo_once():
    sampler = Sampler(np.array([1, 0, 1]), 2, -1, np.random.default_rng(0))
    assert sampler.draw().tolist() == [0, 1, 2]


def test_the_step_with_the_best_validation_loss_is_kept():
    data, seen = blobs(photos=20, width=30, seed=3), []
    noisy = np.random.default_rng(0).permutation(data.label_ids)  # labels that mean nothing: more training is worse
    data = Bottlenecks(data.features, noisy, data.lists)
    layer = trained(data, seen=seen, how_many_training_steps=2000, validation_batch_size=-1, learning_rate=0.1)
    losses = [point.validation_loss for point in seen]
    assert layer.curve.kept_step == seen[int(np.argmin(losses))].step < 1999
    rows = data.rows(VALIDATION)
    assert cross_entropy(layer.logits(data.features[0, rows]), data.label_ids[rows]) == pytest.approx(
        min(losses), abs=1e-4
    )


def test_without_a_validation_list_the_last_step_is_kept():
    data = blobs()
    data = Bottlenecks(data.features, data.label_ids, np.where(data.lists == VALIDATION, TRAINING, data.lists))
    assert trained(data, how_many_training_steps=50).curve.kept_step == 49


def test_it_is_evaluated_at_step_zero_each_interval_and_the_last():
    seen = []
    trained(blobs(), seen=seen, how_many_training_steps=25, eval_step_interval=10)
    assert [point.step for point in seen] == [0, 10, 20, 24]
    assert [point.validation_count for point in seen] == [100] * 4


def test_no_steps_at_all_is_an_untrained_layer():
    layer = trained(blobs(), how_many_training_steps=0)
    assert not layer.weights.any()
    assert layer.curve.kept_step == -1


def test_snapshots_come_every_so_many_steps_and_never_at_zero():
    snapshots = []
    trained(blobs(), snapshots=snapshots, how_many_training_steps=41, intermediate_store_frequency=20)
    assert [step for step, _ in snapshots] == [20, 40]


def test_ctrl_c_gives_what_there_is():
    data, seen = blobs(), []

    def stop(point):
        seen.append(point.step)
        if point.step == 50:
            raise KeyboardInterrupt

    layer = train(data, ("a", "b", "c"), plan(), stop, lambda *_: None)
    assert layer.curve.stopped_early
    assert seen[-1] == 50
    assert right(layer, data, TESTING) == 1.0


def test_distorted_views_are_what_it_trains_on():
    data = blobs(views=3)
    data.features[0, data.rows(TRAINING)] = 0  # the plain view of training photos says nothing
    assert right(trained(data), data, TESTING) == 1.0


def test_the_curve_keeps_numbers_and_no_arrays():
    layer = trained(blobs())
    assert all(isinstance(value, float) for value in layer.curve.train_loss)


def test_a_small_step_stays_on_one_thread():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    counts = []
    train(
        blobs(), ("a", "b", "c"), plan(how_many_training_steps=1),
        lambda _: counts.extend(pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"),
        lambda *_: None,
    )  # fmt: skip
    assert set(counts) <= {1}
    assert head.Sampler is Sampler
