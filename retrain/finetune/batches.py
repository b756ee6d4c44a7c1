"""Makes the batch of each step: which photos, and how they are distorted, follow from the seed and the step alone.

So a training that goes on from a snapshot sees the same batches, and they can be made ahead in other threads.
Photos come in passes: each pass has each photo once, in an order of its own.
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
      pixels: of the training photos, `enlarged` where windows are cut.
      label_ids: int64 [photos].
      size_px: rows and columns of the network's input.
      batch_size: photos a step; at most so many as there are.
      distortions: drawn anew for each photo of each batch.
      seed: of the order of the photos and of the distortions.
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
        """Photos in a pass."""
        return len(self._ids)

    def from_step(self, begin: int, end: int) -> Iterator[Batch]:
        """The batches of steps, in order, made ahead."""
        return map_ordered(lambda: self.at, range(begin, end), _AHEAD)

    def at(self, step: int) -> Batch:
        """The batch of one step."""
        rows = self.rows(step)
        rng = np.random.default_rng([self._seed, 11, step])
        if not self._distortions.distorts:
            return self._pixels[rows], self._ids[rows]
        return np.stack([self._distorted(self._pixels[row], rng) for row in rows]), self._ids[rows]

    def rows(self, step: int) -> npt.NDArray[np.int64]:
        """int64 [size]: which photos; passes follow each other without a gap, so each batch is full."""
        count, first = len(self._ids), step * self.size
        begin, end = first // count, (first + self.size - 1) // count
        order = [self._order(number) for number in range(begin, end + 1)]
        taken: npt.NDArray[np.int64] = np.concatenate(order)[first - begin * count :][: self.size]
        return taken

    def _order(self, number: int) -> npt.NDArray[np.int64]:
        """The order of one pass; the last one made is kept."""
        known = getattr(self, "_known", None)
        if known is None or known[0] != number:
            order = np.random.default_rng([self._seed, 10, number]).permutation(len(self._ids))
            self._known = known = (number, order)
        return known[1]

    def _distorted(self, picture: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[Any]:
        """One view: the original's distortions, then those of today; uint8 where neither light nor colour change."""
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
