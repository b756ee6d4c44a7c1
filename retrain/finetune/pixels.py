"""Decodes photos once, so that later passes over them need no decoding.

Uses the decoder of label_image: without distortions, training gets exactly the pixels that labelling will get. The pixels of a few
photos are kept in memory, those of many in a temporary file.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import PhotoError
from label_image.photo_pixels import decode
from label_image.workers import cores, map_ordered
from retrain.data.augment import Distortions
from retrain.files.hashing import bytes_of
from retrain.progress import Progress
from retrain.types import Photo

_IN_MEMORY_BYTES = 2 << 30

Pixels = npt.NDArray[np.uint8]  # [photos, height, width, 3]


def enlarged(distortions: Distortions, size_px: int) -> int:
    """Returns the side in pixels of a photo from which random crops are taken: enough for the largest scale.

    >>> enlarged(Distortions(random_crop=10, random_scale=20), 100)
    132
    """
    return math.ceil(size_px * (1 + distortions.random_crop / 100) * (1 + distortions.random_scale / 100))


@contextlib.contextmanager
def decoded(
    photos: Sequence[Photo], size_px: tuple[int, int], folder: Path, problem: Callable[[int, PhotoError], None]
) -> Iterator[Pixels]:
    """Decodes photos; their pixels exist until the block ends.

    Args:
      photos: in any order.
      size_px: height and width to which each photo is resized.
      folder: for the temporary file, if there are many photos.
      problem: called with the index of each photo that cannot be read; its pixels are 0.
    """
    shape = (len(photos), *size_px, 3)
    with contextlib.ExitStack() as stack:
        if math.prod(shape) > _IN_MEMORY_BYTES:
            folder.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(tempfile.TemporaryFile(dir=folder))
            pixels: Any = np.memmap(file, np.uint8, "w+", shape=shape)
        else:
            pixels = np.zeros(shape, np.uint8)
        progress = Progress(len(photos), "photos")
        stack.callback(progress.close)
        read = map_ordered(lambda: lambda photo: _read(photo, size_px), photos, cores())
        with contextlib.closing(read) as results:  # type: ignore[type-var]
            for place, result in enumerate(results):
                if isinstance(result, PhotoError):
                    problem(place, result)
                else:
                    pixels[place] = result
                progress.update(place + 1, "decoded")
        progress.close()
        yield pixels


def has_colour(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """Determines which photos have colour, bool [photos]; rounding differences in a grey JPEG do not count."""
    found = np.zeros(len(pixels), np.bool_)
    for start in range(0, len(pixels), 512):
        part = pixels[start : start + 512].astype(np.int16)
        found[start : start + 512] = (part.max(axis=3) - part.min(axis=3)).mean(axis=(1, 2)) > 2
    return found


def _read(photo: Photo, size_px: tuple[int, int]) -> npt.NDArray[np.uint8] | PhotoError:
    try:
        return decode(bytes_of(photo.path, photo.sha256), *size_px)
    except PhotoError as error:
        return error
