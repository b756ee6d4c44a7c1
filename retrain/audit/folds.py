"""Components and labels in, what heads that never saw a photo say of it out: five folds of ridge regression.

Ridge regression on the classes' indicators has a closed form, is not thrown by a wrong label as a softmax layer is, and
ranks flipped labels as well as logistic regression (docs/decisions.md). Classes weigh the same, as in training. Photos
that belong together are in one fold, so that none is judged by its own copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from label_image.softmax import softmax
from retrain.metrics import cross_entropy

FOLDS = 5
DEALS = 3  # that are averaged: on flowers they find 1.5 % more flipped labels than one, ten no more
WIDTH = 256  # components used; 128 to 384 find the same flipped labels within 1 %, 64 find 3 % fewer
_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)  # in mean variances of a component
_SHARPNESS = tuple(np.geomspace(1, 30, 12).tolist())  # scores are near 0..1; probabilities need a factor
_JUDGED = 5000  # photos on which both are chosen

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def out_of_fold(
    rows: Floats, label_ids: Ints, classes: int, groups: Sequence[Sequence[int]]
) -> tuple[Floats, float, Folds]:
    """What heads that never saw a photo say of it, the mean of DEALS deals.

    Returns:
      (float32 [photos, classes], rows that sum to 1; the penalty of the first deal; the first deal).
    """
    first = Folds(rows, label_ids, classes, deal(label_ids, groups))
    probabilities, penalty = first.probabilities()
    for number in range(1, DEALS):
        probabilities += Folds(rows, label_ids, classes, deal(label_ids, groups, number)).probabilities()[0]
    return probabilities / np.float32(DEALS), penalty, first


def deal(label_ids: Ints, groups: Sequence[Sequence[int]], number: int = 0) -> Ints:
    """int64 [photos]: the fold of each; each class is spread evenly, the members of a group stay together."""
    fold = np.zeros(len(label_ids), np.int64)
    dealt: Counter[int] = Counter()
    for place in np.random.default_rng(number).permutation(len(groups)):
        members = list(groups[place])
        label = int(label_ids[members[0]])
        fold[members] = (label + dealt[label]) % FOLDS
        dealt[label] += 1
    return fold


class Folds:
    """Photos ready for ridge regression, in folds.

    Args:
      rows: float32 [photos, components], widest first; WIDTH of them are used.
      label_ids: int64 [photos].
      classes: how many; each of them has a photo.
      fold: int64 [photos], as `deal` makes it.
    """

    def __init__(self, rows: Floats, label_ids: Ints, classes: int, fold: Ints) -> None:
        self.label_ids, self.classes, self.fold = label_ids, classes, fold
        counts = np.bincount(label_ids, minlength=classes)
        # A constant stands for the bias; ten times as wide as a component, so that the penalty hardly holds it back.
        rows = rows[:, :WIDTH]
        bias = np.full((len(rows), 1), 10 * float(np.sqrt(np.square(rows).mean()) or 1), np.float32)
        self.rows: Floats = np.hstack([rows, bias])
        weights = np.sqrt(len(rows) / (classes * np.maximum(counts, 1)))
        self._weights: Floats = weights.astype(np.float32)[label_ids][:, None]

    def sums(self, places: Ints) -> tuple[Floats, Floats]:
        """What a head on these photos is solved from: float32 [width, width] and [width, classes]; they add up."""
        weighted = self.rows[places] * self._weights[places]
        targets = np.full((len(places), self.classes), -1 / self.classes, np.float32)
        targets[np.arange(len(places)), self.label_ids[places]] += 1
        return weighted.T @ weighted, weighted.T @ (targets * self._weights[places])

    def probabilities(self) -> tuple[Floats, float]:
        """What is said of each photo by a head of the four other folds.

        Returns:
          (float32 [photos, classes], rows that sum to 1; the penalty with the least cross-entropy).
        """
        parts = [np.flatnonzero(self.fold == number) for number in range(FOLDS)]
        sums = [self.sums(part) for part in parts]
        squares, products = sum(s for s, _ in sums), sum(p for _, p in sums)
        solved = [(*np.linalg.eigh(squares - own), products - other) for own, other in sums]

        def scores(penalty: float, wanted: npt.NDArray[np.bool_]) -> Floats:
            said = np.zeros((len(self.rows), self.classes), np.float32)
            for part, (values, axes, product) in zip(parts, solved, strict=True):
                some = part[wanted[part]]
                shrunk = np.maximum(values, 0) + penalty * self._unit(np.asarray(squares))
                said[some] = self.rows[some] @ (axes @ ((axes.T @ product) / shrunk[:, None]))
            return said[wanted]

        judged = np.zeros(len(self.rows), np.bool_)
        judged[np.random.default_rng(1).permutation(len(self.rows))[:_JUDGED]] = True
        ids, best = self.label_ids[judged], (np.inf, 1.0, 1.0)
        for penalty in _PENALTIES:
            said = scores(penalty, judged)
            best = min(best, *((cross_entropy(said * sharp, ids), penalty, sharp) for sharp in _SHARPNESS))
        _, penalty, sharp = best
        return softmax(scores(penalty, np.ones_like(judged)) * np.float32(sharp)), penalty

    def weights(self, squares: Floats, products: Floats, penalty: float) -> Floats:
        """float32 [width, classes]: the head that such sums give."""
        held = squares + penalty * self._unit(squares) * np.eye(len(squares), dtype=np.float32)
        head: Floats = np.linalg.solve(held, products)
        return head

    @staticmethod
    def _unit(squares: Floats) -> np.float32:
        """The mean variance of a component, without the constant."""
        return np.float32(max(np.trace(squares[:-1, :-1]) / max(len(squares) - 1, 1), 1e-6))
