"""What the audit finds in plain arrays: components, folds, near-duplicates, the learning curve, and the sentences made of them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from retrain.audit import duplicates
from retrain.audit.advice import balance_lines, curve_lines, duplicate_lines, flat_classes, label_lines
from retrain.audit.components import components
from retrain.audit.duplicates import find_duplicates, near_pairs, threshold_at
from retrain.audit.findings import Task, find, label_qualities, suspects
from retrain.audit.folds import FOLDS, Folds, assign_folds, out_of_fold
from retrain.audit.learning_curve import SIZES, learning_curve
from retrain.options.options import Options
from retrain.types import TESTING, TRAINING, VALIDATION, CurvePoint, NearDuplicates, Suspect


def clouds(photos=300, classes=3, width=40, apart=3.0, seed=0):
    """(float32 [photos, width], int64 [photos]): a cloud of points a class, around corners."""
    rng = np.random.default_rng(seed)
    ids = np.arange(photos) % classes
    features = rng.standard_normal((photos, width))
    features[np.arange(photos), ids] += apart
    return features.astype(np.float32), ids


def alone(photos):
    return [[place] for place in range(photos)]


def task(features, ids, lists=None, same=None, groups=None):
    places = np.arange(len(ids))
    lists = np.zeros(len(ids), np.int8) if lists is None else lists
    return Task(features, ids, lists, places if same is None else same, places if groups is None else groups)


def test_components_keep_the_distances_that_the_standardised_features_have():
    features, _ = clouds(60, width=20)
    from retrain.head.train import Standardiser

    plain, rows = Standardiser(features)(features.copy()), components(features)
    assert rows.shape == (60, 20)
    np.testing.assert_allclose(rows @ rows.T, plain @ plain.T, atol=1e-3)
    assert (np.diff(rows.var(axis=0)) <= 1e-5).all()  # widest first


def test_many_features_are_reduced_to_those_that_matter():
    rng = np.random.default_rng(0)
    true = rng.standard_normal((500, 10)) @ rng.standard_normal((10, 900)) * 5
    rows = components((true + rng.standard_normal((500, 900))).astype(np.float32))
    assert rows.shape == (500, 384)
    variance = rows.var(axis=0)
    assert variance[9] > 5 * variance[10]  # the ten that are there come first


def test_components_leave_the_features_as_they_are_and_are_repeatable():
    features, _ = clouds(50)
    before = features.copy()
    assert np.array_equal(components(features), components(features))
    assert np.array_equal(features, before)


def test_the_folds_spread_each_class_and_keeps_groups_together():
    ids = np.array([0] * 50 + [1] * 25)
    groups = [[0, 1, 2], *[[place] for place in range(3, 75)]]
    fold = assign_folds(ids, groups)
    assert len(set(fold[:3])) == 1
    assert set(np.bincount(fold[50:], minlength=FOLDS)) == {5}
    assert np.bincount(fold[3:50], minlength=FOLDS).min() >= 8


def test_probabilities_are_of_heads_that_never_saw_the_photo():
    """Labels are drawn by lot: a head that had seen them would know more than half of them."""
    rng = np.random.default_rng(0)
    features, ids = rng.standard_normal((200, 150)).astype(np.float32), rng.integers(0, 2, 200)
    probabilities, _, _ = out_of_fold(components(features), ids, 2, alone(200))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert 0.35 < (probabilities.argmax(axis=1) == ids).mean() < 0.65


def test_a_copy_with_the_same_wrong_label_does_not_vouch_for_it():
    features, ids = clouds(90)
    features, ids = np.vstack([features, features[:1]]), np.append(ids, 0)
    ids[0] = ids[90] = 2  # a photo of class 0 and its copy, both labelled 2
    probabilities, _, _ = out_of_fold(components(features), ids, 3, [[0, 90], *alone(90)[1:]])
    assert probabilities[[0, 90]].argmax(axis=1).tolist() == [0, 0]


def test_a_class_of_few_photos_is_heard():
    features, ids = clouds(400, classes=2, apart=4.0)
    keep = (ids == 0) | (np.arange(400) < 16)  # 200 of one, 8 of the other
    probabilities, _, _ = out_of_fold(components(features[keep]), ids[keep], 2, alone(int(keep.sum())))
    assert (probabilities.argmax(axis=1)[ids[keep] == 1] == 1).sum() >= 6


def test_flipped_labels_come_first():
    features, ids = clouds()
    flipped = np.random.default_rng(1).choice(300, 15, replace=False)
    wrong = ids.copy()
    wrong[flipped] = (ids[flipped] + 1) % 3
    found = find(task(features, wrong)).suspects
    assert len(found) <= 24  # 8 % of 300
    assert len(set(flipped) & {row for row, _, _ in found}) >= 14
    right = [suggested == ids[row] for row, suggested, _ in found if row in flipped]
    assert all(right)
    qualities = [quality for _, _, quality in found]
    assert qualities == sorted(qualities)


def test_where_no_label_is_doubted_none_is_listed():
    features, ids = clouds(apart=12.0)
    assert find(task(features, ids)).suspects == []


def test_the_quality_of_a_label_is_the_probability_of_it():
    probabilities = np.array(
        [[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.25, 0.125, 0.625], [0.0, 0.0, 1.0]], np.float32
    )
    qualities = label_qualities(np.array([0, 2, 2, 0]), probabilities)
    assert qualities.tolist() == [0.5, 0.125, 0.625, 0.0]
    assert qualities.dtype == np.float32


def test_the_labels_are_listed_least_probable_first_and_equal_ones_in_the_order_of_the_photos():
    """50 photos, of which 8 % are 4: the two at 0.125 and the two at 0.25 come before the ones at 0.375 and 0.75."""
    own = np.array([0.75] * 44 + [0.375, 0.25, 0.125, 0.25, 0.125, 0.375], np.float32)
    probabilities = np.stack([own, 1 - own], axis=1)
    listed = suspects(np.zeros(50, np.int64), probabilities)
    assert listed == [(46, 1, 0.125), (48, 1, 0.125), (45, 1, 0.25), (47, 1, 0.25)]


def test_a_photo_whose_label_is_the_likeliest_is_no_suspect():
    probabilities = np.array([[0.9, 0.1]] * 48 + [[0.4, 0.6]] * 2, np.float32)
    ids = np.array([0] * 49 + [1])  # the one before the last is doubted, the last has little support
    assert suspects(ids, probabilities) == [(48, 1, pytest.approx(0.4))]


def test_too_few_photos_of_a_class_are_said():
    features, ids = clouds(34, classes=2)
    ids[:] = 0
    ids[:4] = 1
    found = find(task(features, ids))
    assert (found.suspects, found.curve) == ([], [])
    assert "fewer than 5 photos" in " ".join(found.missing)


def pictures(photos=400, width=120, seed=3):
    """float32 [photos, width]: what different photos look like to a backbone: no two alike."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((photos, 60)) @ rng.standard_normal((60, width))).astype(np.float32)


def near(features, seed=4):
    """The same with a little noise."""
    noise = np.random.default_rng(seed).standard_normal(features.shape) * features.std() * 0.1
    return (features + noise).astype(np.float32)


def test_near_duplicates_are_found_and_no_others():
    features = pictures()
    found = near_pairs(components(np.vstack([features, near(features[:20])])), np.arange(420))
    assert [(one, other) for one, other, _ in found] == [(place, 400 + place) for place in range(20)]
    assert all(0.6 < similarity <= 1 for _, _, similarity in found)


def test_a_burst_of_one_scene_does_not_hide_itself():
    features = pictures()
    burst = np.vstack([near(features[:1], seed) for seed in range(5)])
    found = near_pairs(components(np.vstack([features, burst])), np.arange(405))
    assert {0, 400, 401, 402, 403, 404} == {place for pair in found for place in pair[:2]}


def test_different_photos_have_no_near_duplicates():
    assert near_pairs(components(pictures()), np.arange(400)) == []


def test_the_threshold_falls_with_the_number_of_components():
    assert threshold_at(16) == threshold_at(64) == 0.73
    assert threshold_at(1000) == threshold_at(384) == 0.6


def test_a_test_photo_with_a_twin_in_training_is_a_leak():
    features = pictures()
    features = np.vstack([features, near(features[:3])])
    lists = np.full(403, TRAINING, np.int8)
    lists[[400, 1, 401, 2]] = TESTING  # 0 and its twin leak; 1 and its twin are both tested; 2 leaks itself
    lists[402] = VALIDATION
    found = find_duplicates(components(features), range(403), lists)
    assert found.leaks == [2, 400]
    assert [(a, b) for a, b, _, _ in found.pairs[:2]] in ([(0, 400), (2, 402)], [(2, 402), (0, 400)])  # across first
    assert {(a, b, exact) for a, b, exact, _ in found.pairs} == {(0, 400, False), (1, 401, False), (2, 402, False)}
    assert found.looked
    assert found.complete


def test_the_same_bytes_are_duplicates_whatever_the_features_say():
    lists = np.array([TRAINING, TESTING, TRAINING, TRAINING], np.int8)
    found = find_duplicates(np.zeros((4, 2), np.float32), [7, 7, 8, 7], lists)
    assert found.pairs == [(0, 1, True, 1.0), (0, 3, True, 1.0)]
    assert found.leaks == [1]
    assert not found.looked  # three different photos are too few to look for near ones


def test_of_very_many_photos_only_those_outside_training_are_compared_with_all(monkeypatch):
    monkeypatch.setattr(duplicates, "ALL_PAIRS", 100)
    features = pictures()
    features = np.vstack([features, near(features[:2])])
    lists = np.full(402, TRAINING, np.int8)
    lists[400] = TESTING
    found = find_duplicates(components(features), range(402), lists)
    assert [(a, b) for a, b, _, _ in found.pairs] == [(0, 400)]  # 1 and 401 are both for training
    assert not found.complete
    whole = find(task(features, np.arange(402) % 2, lists))
    (line,) = whole.missing
    assert line.endswith("photos, so near-duplicates within the training set were not searched for")


def test_the_curve_has_ten_sizes_and_rises():
    features, ids = clouds(600, width=60, apart=2.0)
    folds = Folds(components(features), ids, 3, assign_folds(ids, alone(600)))
    curve = learning_curve(folds, 1.0)
    assert len(curve) == SIZES
    assert [photos for photos, _, _ in curve] == [48 * size for size in range(1, 11)]  # 480 are trained on
    assert curve[-1][1] > curve[0][1] + 0.05
    for _, accuracy, recalls in curve:
        assert accuracy == pytest.approx(np.mean(recalls))  # as many photos of each class


def test_the_last_point_of_the_curve_is_what_the_folds_say():
    features, ids = clouds(apart=2.0)
    folds = Folds(components(features), ids, 3, assign_folds(ids, alone(300)))
    probabilities, penalty = folds.probabilities()
    assert learning_curve(folds, penalty)[-1][1] == pytest.approx(
        (probabilities.argmax(axis=1) == ids).mean(), abs=0.007
    )


def suspect(number, quality):
    return Suspect(f"roses/{number}.jpg", "roses", "tulips", quality, "training")


def test_labels_to_look_at_are_named_three_at_most():
    assert label_lines([suspect(1, 0.5)]) == []
    (line,) = label_lines([suspect(number, 0.01 * number) for number in range(5)])
    assert line.startswith("labels to look at first: roses/0.jpg (labelled roses, looks like tulips); roses/1.jpg")
    assert "roses/3.jpg" not in line
    assert line.endswith("; 2 more in run.json")


def pair(first_list="training", second_list="testing", second_label="a"):
    return NearDuplicates("a/1.jpg", "b/2.jpg", first_list, second_list, "a", second_label, False, 0.9)


def test_leaks_are_told_with_the_accuracy_without_them():
    (line,) = duplicate_lines([pair()], 1, 0.875, 80)
    assert line.startswith(
        "1 test photo is a near-duplicate of a training or validation photo, so the accuracy is inflated: keep one of"
    )
    assert "a/1.jpg and b/2.jpg" in line
    assert line.endswith("without them the accuracy is 87.5% (N=80)")
    assert duplicate_lines([pair("training", "training")], 0, 0.9, 80) == []


def test_duplicates_with_two_labels_are_told():
    (line,) = duplicate_lines([pair("training", "training", "b")], 0, 0.9, 80)
    assert line == "2 photos that look the same have two labels; decide on one: a/1.jpg (a), b/2.jpg (b)"


def points(**recalls):
    sizes = range(80, 801, 80)
    return [
        CurvePoint(size, float(np.mean([r[i] for r in recalls.values()])), {x: r[i] for x, r in recalls.items()})
        for i, size in enumerate(sizes)
    ]


def test_the_curve_says_of_which_classes_more_photos_would_help():
    rising = [0.5 + 0.1 * np.log2(size) for size in range(1, 11)]  # 10 points a doubling
    flat = [0.95] * 10
    lines = curve_lines(points(roses=rising, daisy=flat), {"roses": 500, "daisy": 500})
    assert lines[0].startswith("more photos of roses would help: from 400 to 800 training photos")
    assert "recall increased (roses 73% to 83% of 500 photos)" in lines[0]
    assert lines[1] == "more photos of daisy would hardly help"


def test_where_no_class_would_gain_it_is_said_once():
    lines = curve_lines(points(roses=[0.9] * 10, daisy=[0.95] * 10), {"roses": 500, "daisy": 500})
    assert lines == ["more photos would hardly help: accuracy was 92.5% with 400 training photos and 92.5% with 800"]


def test_of_few_photos_the_curve_says_nothing():
    wobbling = [0.8, 0.9] * 5
    assert curve_lines(points(roses=wobbling, daisy=wobbling[::-1]), {"roses": 8, "daisy": 8}) == []
    assert curve_lines([], {}) == []


@pytest.mark.parametrize(
    "recalls",
    [
        [1 / 6] * 10,  # "17% to 17%"
        [0.2, 0.0, 0.1, 0.2, 0.169, 0.0, 0.05, 0.1, 0.15, 0.171],  # a line that rises, and two figures that do not
        [1.0] * 10,
        [0.9, 0.9, 0.9, 0.9, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65],  # falls
        [0.5, 0.5, 0.5, 0.5, 0.91, 0.7, 0.8, 0.9, 1.0, 0.9],
    ],
)
@pytest.mark.parametrize("count", [2, 6, 12, 500])
def test_no_line_says_that_photos_help_beside_figures_that_do_not_rise(recalls, count):
    lines = curve_lines(points(a=recalls, b=[0.9] * 10), {"a": count, "b": 500})
    assert lines
    for line in lines:
        assert "would help" not in line or line.startswith("more photos would")


@pytest.mark.parametrize("count", [2, 6, 9])
def test_a_class_of_few_photos_says_nothing_about_more_of_them(count):
    rising = [0.3 + 0.07 * size for size in range(10)]
    assert curve_lines(points(a=rising, b=rising), {"a": count, "b": count}) == []


def test_a_curve_that_falls_is_not_said_to_hardly_change():
    falling = [0.95 - 0.02 * size for size in range(10)]
    assert curve_lines(points(a=falling, b=falling), {"a": 500, "b": 500}) == []
    mixed = curve_lines(points(a=falling, b=[0.9] * 10), {"a": 500, "b": 500})
    assert mixed == ["more photos of b would hardly help"]


def test_each_figure_of_a_line_that_promises_help_rises_by_three_points():
    rng, said = np.random.default_rng(0), 0
    for _ in range(300):
        start, slope, noise = rng.uniform(0.1, 0.9), rng.uniform(-0.1, 0.15), rng.uniform(0, 0.1)
        recalls = {
            x: np.clip(start + slope * np.log2(range(1, 11)) + noise * rng.standard_normal(10), 0, 1).tolist()
            for x in "abc"
        }
        for line in curve_lines(points(**recalls), dict.fromkeys("abc", int(rng.integers(2, 400)))):
            for low, high in re.findall(r"(\d+)% to (\d+)% of", line):
                said += 1
                assert int(high) - int(low) >= 2  # of rounded figures
    assert said > 20


def test_uneven_classes_are_said_with_what_helps():
    (line,) = balance_lines({"daisy": 60, "roses": 6}, [], weigh_alike=True)
    assert line == (
        "classes are uneven: 6 of roses against 60 photos of daisy; more photos of roses would help most, and the figures for classes with so few photos are uncertain"
    )
    (line,) = balance_lines({"daisy": 60, "roses": 6, "tulips": 12}, [], weigh_alike=False)
    assert "6 of roses, 12 of tulips against 60" in line
    assert line.endswith("; until then, --class_weights=balanced gives each class the same weight")
    (line,) = balance_lines({"daisy": 600, **{f"c{n}": 10 + n for n in range(9)}}, [], weigh_alike=True)
    assert "and 6 more classes against 600 photos of daisy" in line


def test_classes_that_are_even_or_gain_nothing_are_left_alone():
    assert balance_lines({"daisy": 60, "roses": 20}, [], weigh_alike=False) == []
    assert balance_lines({"daisy": 60}, [], weigh_alike=True) == []
    curve = points(daisy=[0.9] * 10, roses=[0.98] * 10)
    counts = {"daisy": 2000, "roses": 100}
    assert balance_lines(counts, flat_classes(curve, counts), weigh_alike=True) == []


def test_whether_batches_are_drawn_class_first_decides_about_weights():
    assert Options.of(image_dir="x").weighs_classes_alike
    for flags in ({"train_batch_size": -1}, {"optimizer": "lbfgs"}, {"train": "all"}):
        assert not Options.of(image_dir="x", **flags).weighs_classes_alike
        assert Options.of(image_dir="x", class_weights="balanced", **flags).weighs_classes_alike


def test_where_the_accuracy_is_the_same_without_leaks_it_is_not_called_inflated():
    (line,) = duplicate_lines([pair()], 2, 1.0, 20, whole=1.0)
    assert "inflated" not in line
    assert "without them the accuracy is 100.0% (N=20)" in line
    assert "inflated" in duplicate_lines([pair()], 2, 0.9, 20, whole=0.95)[0]
