"""Draws random batches of photos as the original did, and selects the validation photos on which steps are compared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_DRAWN_AHEAD = 25_600  # photos drawn in one call (at least one batch): 256 batches of 100
LARGEST_VALIDATION_SUBSET = (
    2_000  # with so many photos, the standard error of the loss is about 2 % of its standard deviation
)


class Sampler:
    """Draws first a class and then a photo of it, with replacement; if size is -1, a batch is all photos."""

    def __init__(self, label_ids: npt.NDArray[np.int64], classes: int, size: int, rng: np.random.Generator) -> None:
        self._all = np.arange(len(label_ids))
        self._size, self._rng = size, rng
        counts = np.bincount(label_ids, minlength=classes)
        self._present = np.flatnonzero(counts)  # classes that have photos
        self._counts = counts[self._present]
        self._starts = np.cumsum(self._counts) - self._counts
        self._order = np.argsort(
            label_ids, kind="stable"
        )  # photos sorted by class; `_starts` says where each class begins
        self.drawn = np.zeros((0, max(size, 0)), np.int64)
        self.place = 0  # where the next batch begins in `drawn`

    def draw(self) -> npt.NDArray[np.int64]:
        """Draws one batch: int64 [size], indices into the array of labels."""
        if self._size < 0 or not len(self._all):
            return self._all
        if self.place == len(self.drawn):
            shape = (max(1, _DRAWN_AHEAD // self._size), self._size)
            classes = self._rng.integers(len(self._present), size=shape)
            within = (self._rng.random(shape) * self._counts[classes]).astype(np.int64)
            self.drawn, self.place = self._order[self._starts[classes] + within], 0
        self.place += 1
        drawn: npt.NDArray[np.int64] = self.drawn[self.place - 1]
        return drawn

    def go_to(self, drawn: npt.NDArray[np.int64], place: int) -> None:
        """Continues from the state of another sampler."""
        self.drawn, self.place = drawn, place


def validation_subset(rows: npt.NDArray[np.int64], seed: int, *, whole: bool) -> npt.NDArray[np.int64]:
    """Selects the validation photos on which steps are compared: all, or so many that more would hardly change the choice.

    With all photos, the time of an evaluation would grow with the square of the number of classes.

    Args:
      rows: int64 [n], the indices of the validation set.
      seed: seed of the random selection.
      whole: whether all photos are used, however many there are.
    """
    if len(rows) <= LARGEST_VALIDATION_SUBSET or whole:
        return rows
    drawn = np.random.default_rng([seed, 4]).choice(rows, LARGEST_VALIDATION_SUBSET, replace=False)
    return np.asarray(np.sort(drawn), np.int64)
