"""The nearest training photos: by direction, after standardising, from the training list only."""

from __future__ import annotations

import numpy as np
import pytest

from retrain.audit import neighbours
from retrain.audit.neighbours import nearest
from retrain.types import TESTING, TRAINING, Bottlenecks


def bottlenecks(rows, lists):
    return Bottlenecks(np.array([rows], np.float32), np.zeros(len(rows), np.int64), np.array(lists, np.int8))


# Standardised with mean 0 and one spread for both features, so that directions stay as they are drawn.
CROSS = [[1, 0], [-1, 0], [0, 1], [0, -1]]


def test_the_nearest_point_the_same_way_however_long_they_are():
    made = bottlenecks([*CROSS, [10, 1]], [TRAINING] * 4 + [TESTING])
    rows, similarity = nearest(made, np.array([4]), 2)
    assert rows.tolist() == [[0, 2]]
    assert similarity[0] == pytest.approx([10 / np.sqrt(101), 1 / np.sqrt(101)])


def test_photos_of_other_lists_are_never_neighbours():
    made = bottlenecks([*CROSS, [10, 1], [10, 1]], [TRAINING] * 4 + [TESTING] * 2)
    rows, _ = nearest(made, np.array([4]), 10)
    assert sorted(rows[0].tolist()) == [0, 1, 2, 3]


def test_no_photo_asks_for_nothing_and_no_training_photo_gives_nothing():
    made = bottlenecks(CROSS, [TRAINING] * 4)
    assert nearest(made, np.zeros(0, np.int64), 3)[0].shape == (0, 3)
    assert nearest(bottlenecks(CROSS, [TESTING] * 4), np.array([0]), 3)[0].shape == (1, 0)


def test_pieces_give_what_the_whole_gives_and_the_features_stay(monkeypatch):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 6)).astype(np.float32)
    made = bottlenecks(features, [TRAINING] * 30 + [TESTING] * 10)
    whole = nearest(made, np.arange(30, 40), 3)
    monkeypatch.setattr(neighbours, "_ROWS_AT_ONCE", 7)
    pieces = nearest(made, np.arange(30, 40), 3)
    assert pieces[0].tolist() == whole[0].tolist()
    np.testing.assert_allclose(pieces[1], whole[1], atol=1e-6)
    np.testing.assert_array_equal(made.features[0], features)


def test_a_photo_that_is_like_the_mean_of_all_has_neighbours_without_a_warning():
    made = bottlenecks([*CROSS, [0, 0]], [TRAINING] * 4 + [TESTING])
    assert nearest(made, np.array([4]), 2)[1].tolist() == [[0, 0]]
