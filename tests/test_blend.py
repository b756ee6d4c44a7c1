"""The point between pretrained weights and those of the last step, and the temperature of its scores."""

from __future__ import annotations

import numpy as np
import pytest

from retrain.finetune.blend import SHARES, best_blend, best_temperature
from retrain.metrics import cross_entropy, softmax


def drawn_labels(logits, rng):
    """Labels that come up as often as the scores say."""
    return np.array([rng.choice(logits.shape[1], p=row / row.sum()) for row in softmax(logits).astype(np.float64)])


@pytest.mark.parametrize("temperature", [1.5, 3.0, 6.0])
def test_the_temperature_is_found_again(temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 5)).astype(np.float32)
    label_ids = drawn_labels(logits, rng)
    found, loss = best_temperature(logits * np.float32(temperature), label_ids)
    assert found == pytest.approx(temperature, rel=0.08)
    assert loss == pytest.approx(cross_entropy(logits, label_ids), rel=0.01)


def test_nothing_is_made_surer_than_it_is_however_right():
    logits = 3 * np.eye(3, dtype=np.float32)
    temperature, loss = best_temperature(logits, np.arange(3))
    assert temperature == pytest.approx(1, abs=1e-3)
    assert loss == pytest.approx(cross_entropy(logits, np.arange(3)), rel=1e-3)


@pytest.mark.parametrize("best", SHARES)
def test_the_best_point_on_the_way_is_taken_and_its_scores_are_mended(best):
    rng = np.random.default_rng(1)
    features = rng.normal(size=(600, 4)).astype(np.float32)
    good = rng.normal(0, 2, (4, 3)).astype(np.float32)
    label_ids = drawn_labels(features @ good, rng)
    away = rng.normal(0, 6, (4, 3)).astype(np.float32)
    network = np.ones((2, 2), np.float32)
    # On the straight line, `best` of the way is twice the good layer: right, and too sure of itself.
    begin = [network, 2 * good - np.float32(best) * away, np.zeros(3, np.float32)]
    end = [3 * network, 2 * good + np.float32(1 - best) * away, np.zeros(3, np.float32)]
    weights, blend = best_blend(begin, end, lambda arrays: features @ arrays[-2] + arrays[-1], label_ids)
    assert blend.share == best
    assert blend.temperature == pytest.approx(2, rel=0.2)
    assert weights[0] == pytest.approx((1 + 2 * best) * network)  # the network itself is not divided
    assert weights[-2] * np.float32(blend.temperature) == pytest.approx(2 * good, abs=1e-4)
    assert cross_entropy(features @ weights[-2], label_ids) == pytest.approx(blend.loss, abs=1e-5)
