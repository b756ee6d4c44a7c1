"""Notes photos that turn out to be broken while their pixels are decoded, and checks that training can go on without them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from label_image.errors import PhotoError, RunError, UserError
from retrain.types import Split


class Unreadable:
    """Photos that turn out to be unreadable: training continues without them, and the features stage reports them.

    Args:
      split: the photos.
      rows: the indices of the training set in the split.
      validation_rows: the indices of the validation subset in the split.

    Attributes:
      readable: bool [rows], which training photos could be read.
      readable_validation: bool [validation_rows], which validation photos could be read.
    """

    def __init__(self, split: Split, rows: npt.NDArray[np.int64], validation_rows: npt.NDArray[np.int64]) -> None:
        self._split, self._rows, self._validation_rows = split, rows, validation_rows
        self.readable = np.ones(len(rows), np.bool_)
        self.readable_validation = np.ones(len(validation_rows), np.bool_)
        self._problem = ""

    def training(self, place: int, error: PhotoError) -> None:
        """Notes an unreadable training photo; `place` is its index in `rows`."""
        self.readable[place] = False
        self._note(self._rows[place], error)

    def validation(self, place: int, error: PhotoError) -> None:
        """Notes an unreadable validation photo; `place` is its index in `validation_rows`."""
        self.readable_validation[place] = False
        self._note(self._validation_rows[place], error)

    def check(self, *, strict: bool) -> None:
        """Checks that training can go on.

        Raises:
          RunError: a photo could not be read, and `strict` is set.
          UserError: a class has no photo left.
        """
        if self._problem and strict:
            raise RunError(f"cannot read {self._problem}; mend or remove it, or leave out --strict")
        left = np.bincount(self._split.label_ids[self._rows][self.readable], minlength=len(self._split.labels))
        if not left.all():
            label = self._split.labels[int(np.argmin(left))]
            raise UserError(
                f"cannot train the class {label!r}: none of its photos can be read; add photos or remove the folder"
            )

    def _note(self, row: int, error: PhotoError) -> None:
        self._problem = self._problem or f"{self._split.photos[row].path} ({error})"
