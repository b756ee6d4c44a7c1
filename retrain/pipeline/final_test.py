"""Implements the stage that tests the head once, on photos that were not used in training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from label_image.softmax import softmax
from retrain.console import Screen
from retrain.features.photo_features import PhotoFeatures
from retrain.head.sampler import Sampler
from retrain.metrics import recall_at, wilson_interval
from retrain.options.options import Options
from retrain.types import TESTING, Bottlenecks, Head, Outcome, Photo, Split

_FEW_CLASSES = 3  # up to so many classes, the accuracy of the best two labels is too high to be informative


def test_stage(options: Options, features: PhotoFeatures, head: Head, screen: Screen) -> Outcome:
    """Tests the head on the test set, and prints its accuracy."""
    split, bottlenecks = features.split, features.bottlenecks
    rows = _test_rows(bottlenecks, len(split.labels), options.head.test_batch_size, options.head.seed)
    if not len(rows):
        screen.warn("no photo was kept for a test, so there is no test accuracy (--testing_percentage)")
        empty = np.zeros(0, np.int64)
        return Outcome(None, 0, (0.0, 1.0), empty, empty, np.zeros((0, len(split.labels)), np.float32))
    label_ids = bottlenecks.label_ids[rows]
    scores = softmax(head.logits(bottlenecks.features[0, rows]))
    guesses = scores.argmax(axis=1)
    right = int((guesses == label_ids).sum())
    screen.result(f"Final test accuracy = {right / len(rows) * 100:.1f}% (N={len(rows)})")
    if len(split.labels) > _FEW_CLASSES:
        screen.result(f"recall@2 = {recall_at(2, scores, label_ids) * 100:.1f}%")
    if options.run.print_misclassified_test_images:
        _print_misclassified(split, rows, guesses, screen)
    views = options.distortions.test_time_views
    of_views = accuracy_of_views(bottlenecks, head, rows, views) if views else None
    if of_views is not None:
        gain = 100 * (of_views - right / len(rows))
        screen.result(
            f"by the mean of {views} distorted views of each photo = {of_views * 100:.1f}% ({gain:+.1f} points)"
        )
    interval = wilson_interval(right, len(rows))
    return Outcome(right / len(rows), len(rows), interval, guesses, rows, scores, accuracy_of_views=of_views)


def accuracy_of_views(bottlenecks: Bottlenecks, head: Head, rows: npt.NDArray[np.int64], views: int) -> float:
    """Computes the accuracy of the mean scores over the first `views` views of each photo."""
    features = bottlenecks.features[1 : views + 1, rows]
    scores = np.mean([softmax(head.logits(view)) for view in features], axis=0)
    return float((scores.argmax(axis=1) == bottlenecks.label_ids[rows]).mean())


def _test_rows(bottlenecks: Bottlenecks, classes: int, batch_size: int, seed: int) -> npt.NDArray[np.int64]:
    """Returns the indices of the test set, or of a random batch of it."""
    rows = bottlenecks.rows(TESTING)
    if batch_size > 0 and len(rows):
        rng = np.random.default_rng([seed, 3])
        rows = rows[Sampler(bottlenecks.label_ids[rows], classes, batch_size, rng).draw()]
    return rows


def _print_misclassified(
    split: Split, rows: npt.NDArray[np.int64], guesses: npt.NDArray[np.int64], screen: Screen
) -> None:
    screen.result("=== MISCLASSIFIED TEST IMAGES ===")
    for row, guess in zip(rows, guesses, strict=True):
        photo: Photo = split.photos[row]
        if photo.label != split.labels[guess]:
            screen.result(f"{photo.path:>70}  {split.labels[guess]}")
