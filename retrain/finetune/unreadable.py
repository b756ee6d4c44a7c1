"""Photos that turn out to be broken while their pixels are decoded: which they are, and whether training can go on without them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from label_image.errors import PhotoError, RunError, UserError
from retrain.options.options import Options
from retrain.types import Split


class Unreadable:
    """Photos that can not be read after all: training goes without them, and the features' stage says which they are.

    Args:
      plan: --strict.
      split: the photos.
      rows: of the split, those to train on.
      judged: those that validate.

    Attributes:
      good: bool [rows], whether a training photo could be read; the photos before `training` is called count as readable.
      judging: bool [judged], the same of validation photos.
    """

    def __init__(
        self, options: Options, split: Split, rows: npt.NDArray[np.int64], judged: npt.NDArray[np.int64]
    ) -> None:
        self._options, self._split, self._rows, self._judged = options, split, rows, judged
        self.good = np.ones(len(rows), np.bool_)
        self.judging = np.ones(len(judged), np.bool_)
        self._problem = ""

    def training(self, place: int, error: PhotoError) -> None:
        """Takes note of the training photo at a place of `rows`."""
        self.good[place] = False
        self._say(self._rows[place], error)

    def validation(self, place: int, error: PhotoError) -> None:
        """Takes note of the validation photo at a place of `judged`."""
        self.judging[place] = False
        self._say(self._judged[place], error)

    def check(self) -> None:
        """Raises RunError under --strict, UserError where a class has no photo left."""
        if self._problem and self._options.data.strict:
            raise RunError(f"cannot read {self._problem}; mend or remove it, or leave out --strict")
        left = np.bincount(self._split.label_ids[self._rows][self.good], minlength=len(self._split.labels))
        if not left.all():
            label = self._split.labels[int(np.argmin(left))]
            raise UserError(
                f"cannot train the class {label!r}: none of its photos can be read; add photos or remove the folder"
            )

    def _say(self, row: int, error: PhotoError) -> None:
        self._problem = self._problem or f"{self._split.photos[row].path} ({error})"
