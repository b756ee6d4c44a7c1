"""Computes out-of-fold predictions: class probabilities of each photo from a head that was not trained on it.

The heads are ridge regressions on one-hot labels in five-fold cross-validation. Ridge regression has a closed form, is
less sensitive to wrong labels than a softmax layer, and ranks flipped labels as well as logistic regression
(docs/decisions.md). Sample weights balance the classes, as in training. Photos of one group are in the same fold, so
that no prediction relies on a copy of the photo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from label_image.softmax import softmax
from retrain.metrics import cross_entropy

FOLDS = 5
REPEATS = 3  # repeats of cross-validation that are averaged: on flowers, 3 find 1.5 % more flipped labels than 1; 10 find no more
WIDTH = 256  # components used; 128 to 384 find the same flipped labels within 1 %, 64 find 3 % fewer
_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)  # as multiples of the mean variance of a component
_SHARPNESS = tuple(np.geomspace(1, 30, 12).tolist())  # inverse temperatures of the softmax; the scores are near 0..1
_CHOSEN_ON = 5000  # most photos on which the penalty and the sharpness are chosen

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def out_of_fold(
    rows: Floats, label_ids: Ints, classes: int, groups: Sequence[Sequence[int]]
) -> tuple[Floats, float, Folds]:
    """Returns the out-of-fold probabilities, averaged over REPEATS random assignments to folds.

    Returns:
      (float32 [photos, classes], rows that sum to 1; the penalty of the first repeat; the folds of the first repeat).
    """
    first = Folds(rows, label_ids, classes, assign_folds(label_ids, groups))
    probabilities, penalty = first.probabilities()
    for number in range(1, REPEATS):
        probabilities += Folds(rows, label_ids, classes, assign_folds(label_ids, groups, number)).probabilities()[0]
    return probabilities / np.float32(REPEATS), penalty, first


def assign_folds(label_ids: Ints, groups: Sequence[Sequence[int]], number: int = 0) -> Ints:
    """Assigns photos to folds: each class is spread evenly, and the members of a group stay together.

    Returns:
      int64 [photos], the fold of each photo.
    """
    fold = np.zeros(len(label_ids), np.int64)
    assigned: Counter[int] = Counter()
    for place in np.random.default_rng(number).permutation(len(groups)):
        members = list(groups[place])
        label = int(label_ids[members[0]])
        fold[members] = (label + assigned[label]) % FOLDS
        assigned[label] += 1
    return fold


class Folds:
    """Ridge regression in cross-validation over fixed folds.

    Args:
      rows: float32 [photos, components], largest variance first; the first WIDTH are used.
      label_ids: int64 [photos].
      classes: number of classes; each has at least one photo.
      fold: int64 [photos], from `assign_folds`.
    """

    def __init__(self, rows: Floats, label_ids: Ints, classes: int, fold: Ints) -> None:
        self.label_ids, self.classes, self.fold = label_ids, classes, fold
        counts = np.bincount(label_ids, minlength=classes)
        # A constant column gives the bias. It is ten times as large as a component, so that the penalty hardly affects it.
        rows = rows[:, :WIDTH]
        bias = np.full((len(rows), 1), 10 * float(np.sqrt(np.square(rows).mean()) or 1), np.float32)
        self.rows: Floats = np.hstack([rows, bias])
        weights = np.sqrt(len(rows) / (classes * np.maximum(counts, 1)))
        self._weights: Floats = weights.astype(np.float32)[label_ids][:, None]

    def sums(self, places: Ints) -> tuple[Floats, Floats]:
        """Returns the normal equations of a head for these photos: float32 [width, width] and [width, classes].

        The sums of disjoint sets of photos can be added.
        """
        weighted = self.rows[places] * self._weights[places]
        targets = np.full((len(places), self.classes), -1 / self.classes, np.float32)
        targets[np.arange(len(places)), self.label_ids[places]] += 1
        return weighted.T @ weighted, weighted.T @ (targets * self._weights[places])

    def probabilities(self) -> tuple[Floats, float]:
        """Returns the probabilities of each photo from a head that was trained on the four other folds.

        Returns:
          (float32 [photos, classes], rows that sum to 1; the penalty with the least cross-entropy).
        """
        parts = [np.flatnonzero(self.fold == number) for number in range(FOLDS)]
        sums = [self.sums(part) for part in parts]
        squares, products = sum(s for s, _ in sums), sum(p for _, p in sums)
        solved = [(*np.linalg.eigh(squares - own), products - other) for own, other in sums]

        def scores(penalty: float, wanted: npt.NDArray[np.bool_]) -> Floats:
            predicted = np.zeros((len(self.rows), self.classes), np.float32)
            for part, (values, axes, product) in zip(parts, solved, strict=True):
                some = part[wanted[part]]
                shrunk = np.maximum(values, 0) + penalty * self._unit(np.asarray(squares))
                predicted[some] = self.rows[some] @ (axes @ ((axes.T @ product) / shrunk[:, None]))
            return predicted[wanted]

        sample = np.zeros(len(self.rows), np.bool_)
        sample[np.random.default_rng(1).permutation(len(self.rows))[:_CHOSEN_ON]] = True
        ids, best = self.label_ids[sample], (np.inf, 1.0, 1.0)
        for penalty in _PENALTIES:
            logits = scores(penalty, sample)
            best = min(best, *((cross_entropy(logits * sharp, ids), penalty, sharp) for sharp in _SHARPNESS))
        _, penalty, sharp = best
        return softmax(scores(penalty, np.ones_like(sample)) * np.float32(sharp)), penalty

    def weights(self, squares: Floats, products: Floats, penalty: float) -> Floats:
        """Solves the normal equations: returns the weights of the head, float32 [width, classes]."""
        penalised = squares + penalty * self._unit(squares) * np.eye(len(squares), dtype=np.float32)
        head: Floats = np.linalg.solve(penalised, products)
        return head

    @staticmethod
    def _unit(squares: Floats) -> np.float32:
        """Returns the mean variance of a component, without the constant column."""
        return np.float32(max(np.trace(squares[:-1, :-1]) / max(len(squares) - 1, 1), 1e-6))
