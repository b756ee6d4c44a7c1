from __future__ import annotations

import math

import numpy as np
import pytest

from retrain.metrics import accuracy, confusion, cross_entropy, log_softmax, softmax, wilson_interval

LOGITS = np.log(np.float32([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]))


def test_softmax_gives_back_the_probabilities_of_their_logarithms():
    np.testing.assert_allclose(softmax(LOGITS), [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], rtol=1e-6)


def test_large_logits_do_not_overflow():
    assert log_softmax(np.float32([[1e4, 0]])).tolist() == [[0, -1e4]]


def test_cross_entropy_is_the_mean_surprise():
    assert cross_entropy(LOGITS, np.array([0, 2])) == pytest.approx(-(math.log(0.7) + math.log(0.8)) / 2, rel=1e-6)


def test_accuracy_counts_the_largest():
    assert accuracy(LOGITS, np.array([0, 1])) == 0.5


def test_nothing_to_average_is_no_number():
    assert math.isnan(accuracy(LOGITS[:0], np.zeros(0, np.int64)))
    assert math.isnan(cross_entropy(LOGITS[:0], np.zeros(0, np.int64)))


def test_the_interval_of_ten_in_ten_does_not_promise_perfection():
    low, high = wilson_interval(10, 10)
    assert (round(low, 3), round(high, 9)) == (0.722, 1.0)  # z^2 = 3.841: low = 10 / 13.841


def test_the_interval_of_nothing_is_everything():
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_confusion_counts_the_true_class_by_row():
    assert confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 3).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
