"""Tests the metrics against numbers computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from label_image.softmax import softmax
from retrain.metrics import (
    accuracy,
    calibration_error,
    confusion,
    cross_entropy,
    hits,
    losses,
    precision_recall,
    reliability,
    wilson_interval,
)

any_logits = arrays(np.float32, (4, 3), elements=st.floats(-1e6, 1e6, width=32))


def test_softmax_of_equal_logits_is_even():
    assert softmax(np.zeros((1, 4), np.float32)).tolist() == [[0.25] * 4]


def test_softmax_by_hand():
    # e^0 : e^ln 3 = 1 : 3
    np.testing.assert_allclose(softmax(np.array([[0, math.log(3)]], np.float32)), [[0.25, 0.75]], rtol=1e-6)


def test_large_logits_do_not_overflow():
    assert softmax(np.array([[1e4, 0]], np.float32)).tolist() == [[1, 0]]
    assert losses(np.array([[1e4, 0]], np.float32), np.array([1])).tolist() == [1e4]


@given(any_logits)
def test_softmax_rows_are_probabilities_however_large_the_logits(logits):
    scores = softmax(logits)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    assert (scores >= 0).all()


@given(any_logits)
def test_softmax_leaves_the_logits_as_they_are(logits):
    before = logits.copy()
    softmax(logits)
    losses(logits, np.zeros(4, np.int64))
    assert (logits == before).all()


@given(any_logits, arrays(np.int64, 4, elements=st.integers(0, 2)))
def test_losses_are_the_negative_logarithms_of_softmax_at_the_label(logits, label_ids):
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(losses(logits, label_ids), -logarithms[np.arange(4), label_ids], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(softmax(logits), np.exp(logarithms), rtol=1e-5, atol=1e-30)


def test_cross_entropy_by_hand():
    logits = np.array([[0, 0], [0, math.log(3)]], np.float32)
    # -ln 1/2 and -ln 3/4, the mean
    assert cross_entropy(logits, np.array([0, 1])) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2, rel=1e-6)


def test_accuracy_counts_rows_whose_largest_value_is_at_the_label():
    logits = np.array([[1, 2], [3, 2], [5, 5]], np.float32)
    assert hits(logits, np.array([1, 1, 0])).tolist() == [True, False, True]  # of equal values the first counts
    assert accuracy(logits, np.array([1, 1, 0])) == pytest.approx(2 / 3)


def test_nothing_to_average_is_no_number():
    none, ids = np.zeros((0, 3), np.float32), np.zeros(0, np.int64)
    assert math.isnan(accuracy(none, ids))
    assert math.isnan(cross_entropy(none, ids))


def test_wilsons_interval_by_hand():
    # 9 of 10: share 0.9, z = 1.96, z^2 = 3.8415; middle (0.9 + 0.19207) / 1.38415 = 0.78899;
    # half 1.95996 / 1.38415 * sqrt(0.009 + 0.0096037) = 0.19313
    assert wilson_interval(9, 10) == pytest.approx((0.59585, 0.98212), abs=2e-5)


def test_ten_right_of_ten_do_not_promise_perfection():
    low, high = wilson_interval(10, 10)
    assert (round(low, 3), round(high, 9)) == (0.722, 1.0)  # z^2 = 3.841: low = 10 / 13.841


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilsons_interval_holds_the_share_and_stays_within_bounds(right, wrong):
    low, high = wilson_interval(right, right + wrong)
    share = right / (right + wrong) if right + wrong else 0.5
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1


def test_wilsons_interval_narrows_with_more_photos():
    widths = [high - low for low, high in (wilson_interval(9 * n, 10 * n) for n in (1, 10, 100))]
    assert widths == sorted(widths, reverse=True)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_confusion_has_the_true_class_in_the_row():
    table = confusion(np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, 2, 0]), 3)
    assert table.tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 2]]
    assert table.dtype == np.int64


def test_precision_recall_and_support_of_each_class():
    precision, recall, support = precision_recall(np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]]))
    assert support.tolist() == [10, 5, 0]
    assert precision[:2].tolist() == [1.0, 5 / 7]
    assert recall[:2].tolist() == [0.8, 1.0]
    assert np.isnan([precision[2], recall[2]]).all()  # nothing was given this label, and none has it


def test_a_score_falls_into_the_bin_that_ends_with_it():
    bins = reliability(np.array([0.05, 0.5, 0.51, 1.0], np.float32), np.array([True, False, True, True]))
    assert [one.photos for one in bins] == [1, 0, 0, 0, 1, 1, 0, 0, 0, 1]
    assert (bins[4].accuracy, bins[5].accuracy) == (0.0, 1.0)
    assert math.isnan(bins[1].accuracy)
    assert [(one.low, one.high) for one in bins[:2]] == [(0.0, 0.1), (0.1, 0.2)]


def test_the_calibration_error_weighs_bins_by_their_photos():
    # three photos say 0.9 and two of them are right, one says 0.6 and is right: (3 * |0.9 - 2/3| + 1 * |0.6 - 1|) / 4
    bins = reliability(np.array([0.9, 0.9, 0.9, 0.6], np.float32), np.array([True, True, False, True]))
    assert calibration_error(bins) == pytest.approx((3 * (0.9 - 2 / 3) + 0.4) / 4, abs=1e-6)


def test_without_photos_there_is_no_calibration_error():
    assert math.isnan(calibration_error(reliability(np.zeros(0, np.float32), np.zeros(0, np.bool_))))
