"""The point between pretrained weights and those of the last step, and the temperature of its scores."""

from __future__ import annotations

import numpy as np
import pytest

from label_image.softmax import softmax
from retrain.finetune.blend import SHARES, best_blend, best_temperature
from retrain.finetune.run_loop import kept_line
from retrain.metrics import cross_entropy
from retrain.types import Curve


def drawn_labels(logits, rng):
    """Labels that come up as often as the scores say."""
    return np.array([rng.choice(logits.shape[1], p=row / row.sum()) for row in softmax(logits).astype(np.float64)])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_is_found_again(temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 5)).astype(np.float32)
    label_ids = drawn_labels(logits, rng)
    found, loss = best_temperature(logits * np.float32(temperature), label_ids)
    assert found == pytest.approx(temperature, rel=0.08)
    assert loss == pytest.approx(cross_entropy(logits, label_ids), rel=0.01)


def test_labels_that_are_all_right_give_a_number():
    logits = 50 * np.eye(3, dtype=np.float32)
    temperature, loss = best_temperature(logits, np.arange(3))
    assert 0.25 <= temperature <= 8
    assert 0 <= loss < 0.01


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


def test_a_network_that_is_right_about_everything_is_made_no_surer():
    features, layer = np.eye(3, dtype=np.float32), 3 * np.eye(3, dtype=np.float32)
    arrays = [layer, np.zeros(3, np.float32)]
    weights, blend = best_blend(arrays, arrays, lambda both: features @ both[-2] + both[-1], np.arange(3))
    assert blend.temperature == 1
    assert (weights[-2] == layer).all()


@pytest.mark.parametrize(
    ("share", "line"),
    [
        (
            0.0,
            "fine-tuning did not improve the validation loss; the pretrained network was kept, logits divided by 1.25",
        ),
        (
            0.5,
            "kept 50% of the way from the pretrained weights to the last ones, which has the best validation loss; logits",
        ),
        (1.0, "kept the weights of the last step, which have the best validation loss; logits divided by 1.25"),
        (None, "kept step 7, which has the best validation loss"),
    ],
)
def test_what_is_kept_is_said_without_riddles(share, line):
    curve = Curve((7,), (1.0,), (0.1,), (1.0,), (0.1,), 7, share=share, temperature=1.25)
    assert kept_line(curve).startswith(line)
