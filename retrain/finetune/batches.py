"""Makes the batch of each step: the seed and the step alone determine which photos it contains and how they are distorted.

Therefore a training that is resumed from a snapshot gets the same batches, and they can be prepared in other threads.
Each pass over the training set (an epoch) contains each photo once, in a new random order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from label_image.workers import map_ordered
from retrain.data.augment import Distortions, padded_window, recoloured
from retrain.finetune.pixels import Pixels

Batch = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]  # uint8 or float32 [n, height, width, 3], 0..255; label ids [n]
_AHEAD = 1  # threads that make batches while the network works


class Batches:
    """The batches of one training.

    Args:
      pixels: the pixels of the training photos, of the size `enlarged` if random crops are taken.
      label_ids: int64 [photos].
      size_px: height and width of the network's input.
      batch_size: photos in each step; limited to the number of training photos.
      distortions: drawn at random for each photo of each batch.
      seed: determines the order of the photos and the distortions.
    """

    def __init__(
        self,
        pixels: Pixels,
        label_ids: npt.NDArray[np.int64],
        size_px: tuple[int, int],
        batch_size: int,
        distortions: Distortions = Distortions(),  # noqa: B008 - frozen
        seed: int = 0,
    ) -> None:
        self._pixels, self._ids, self._size_px = pixels, label_ids, size_px
        self._distortions, self._seed = distortions, seed
        self.size = min(batch_size, len(label_ids))
        self.per_pass = -(-len(label_ids) // self.size)  # steps

    def __len__(self) -> int:
        """The number of photos in a pass."""
        return len(self._ids)

    def from_step(self, begin: int, end: int) -> Iterator[Batch]:
        """Yields the batches of the steps in order; the next ones are prepared in a thread."""
        return map_ordered(lambda: self.at, range(begin, end), _AHEAD)

    def at(self, step: int) -> Batch:
        """The batch of one step."""
        rows = self.rows(step)
        rng = np.random.default_rng([self._seed, 11, step])
        if not self._distortions.distorts:
            return self._pixels[rows], self._ids[rows]
        return np.stack([self._distorted(self._pixels[row], rng) for row in rows]), self._ids[rows]

    def rows(self, step: int) -> npt.NDArray[np.int64]:
        """Returns the indices of the photos of a step, int64 [size]; a batch may span two passes, so each batch is full."""
        count, first = len(self._ids), step * self.size
        begin, end = first // count, (first + self.size - 1) // count
        order = [self._order(number) for number in range(begin, end + 1)]
        taken: npt.NDArray[np.int64] = np.concatenate(order)[first - begin * count :][: self.size]
        return taken

    def _order(self, number: int) -> npt.NDArray[np.int64]:
        """Returns the order of the photos in one pass; the order made last is cached."""
        known = getattr(self, "_known", None)
        if known is None or known[0] != number:
            order = np.random.default_rng([self._seed, 10, number]).permutation(len(self._ids))
            self._known = known = (number, order)
        return known[1]

    def _distorted(self, picture: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[Any]:
        """Distorts one photo: first the original's distortions, then the later ones; uint8 if brightness and colour do not change."""
        how, (height_px, width_px) = self._distortions, self._size_px
        seen: npt.NDArray[Any] = picture
        if how.random_crop or how.random_scale:
            share = 1 / ((1 + how.random_crop / 100) * rng.uniform(1, 1 + how.random_scale / 100))
            tall, wide = picture.shape[0] * share, picture.shape[1] * share
            top, left = rng.uniform(0, picture.shape[0] - tall), rng.uniform(0, picture.shape[1] - wide)
            box = (left, top, left + wide, top + tall)
            seen = np.asarray(
                Image.fromarray(picture).resize((width_px, height_px), Image.Resampling.BILINEAR, box=box)
            )
        seen = padded_window(seen, how.pad_and_crop, rng)
        if how.flip_left_right and rng.random() < 0.5:
            seen = seen[:, ::-1]
        if how.random_brightness:
            spread = how.random_brightness / 100
            seen = seen.astype(np.float32) * np.float32(rng.uniform(1 - spread, 1 + spread))
        return recoloured(seen, how.random_colour, rng) if how.random_colour else seen
