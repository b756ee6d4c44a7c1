"""Draws batches of photos as the original did, and the validation photos on which steps are compared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_DRAWN_AHEAD = 25_600  # photos drawn in one call, at least one batch: 256 steps of 100
LARGEST_VALIDATION_SUBSET = 2_000  # photos that choose the step: the loss is then known to some 2 % of its spread


class Sampler:
    """Draws photos class first, then within the class, with replacement; or all of them once where size is -1."""

    def __init__(self, label_ids: npt.NDArray[np.int64], classes: int, size: int, rng: np.random.Generator) -> None:
        self._all = np.arange(len(label_ids))
        self._size, self._rng = size, rng
        counts = np.bincount(label_ids, minlength=classes)
        self._present = np.flatnonzero(counts)  # classes that have photos
        self._counts = counts[self._present]
        self._starts = np.cumsum(self._counts) - self._counts
        self._order = np.argsort(label_ids, kind="stable")  # photos by class; a class begins at its start
        self.drawn = np.zeros((0, max(size, 0)), np.int64)
        self.place = 0  # of the next batch in `drawn`

    def draw(self) -> npt.NDArray[np.int64]:
        """int64 [size]: places in the array that it was made with."""
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
        """Continues where another sampler was."""
        self.drawn, self.place = drawn, place


def validation_subset(rows: npt.NDArray[np.int64], seed: int, *, whole: bool) -> npt.NDArray[np.int64]:
    """The validation photos on which steps are compared: all of them, or enough that more would hardly change the choice.

    Scoring all photos for all classes at each evaluation would grow with the square of the classes.

    Args:
      rows: int64 [n], the validation set.
      seed: of the drawing.
      whole: whether all photos are taken, however many there are.
    """
    if len(rows) <= LARGEST_VALIDATION_SUBSET or whole:
        return rows
    drawn = np.random.default_rng([seed, 4]).choice(rows, LARGEST_VALIDATION_SUBSET, replace=False)
    return np.asarray(np.sort(drawn), np.int64)
