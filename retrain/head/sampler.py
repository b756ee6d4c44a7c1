"""Label ids in, batches of places out: the original's way of drawing photos; and those that judge a step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retrain.options.options import Options

_DRAWN_AHEAD = 25_600  # photos drawn in one call, at least one batch: 256 steps of 100
MOST_JUDGES = 2_000  # validation photos that choose the step: the loss is then known to some 2 % of its spread


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
        """int64 [size]: places in the list it was made with."""
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
        """Goes on where another one was."""
        self.drawn, self.place = drawn, place


def judges(rows: npt.NDArray[np.int64], options: Options) -> npt.NDArray[np.int64]:
    """The validation photos that judge the steps: all of them, or so many that more would hardly judge otherwise.

    Scoring all photos for all classes at each evaluation would grow with the square of the classes.
    """
    if len(rows) <= MOST_JUDGES or options.head.validation_batch_size < 0:
        return rows
    drawn = np.random.default_rng([options.head.seed, 4]).choice(rows, MOST_JUDGES, replace=False)
    return np.asarray(np.sort(drawn), np.int64)
