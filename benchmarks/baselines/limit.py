"""Measures the limit: the time of decoding alone plus the time of the network alone, each on all cores.

It is the time of a perfect program, in which neither waits for the other and nothing else takes time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.model_kinds.reader import Runner
from label_image.photo_pixels import decode, normalise
from label_image.workers import cores, map_ordered


def decoding(paths: Sequence[str], height_px: int, width_px: int) -> float:
    """Measures the seconds of decoding the photos, with one worker per core."""

    def make_worker() -> Callable[[str], Any]:
        return lambda path: decode(path, height_px, width_px)

    return _seconds(make_worker, paths)


def forward(make_runner: Callable[[], Runner], pixels: npt.NDArray[np.float32], count: int) -> float:
    """Measures the seconds of running the network `count` times on one photo, with one worker and one runner per core.

    Args:
      make_runner: makes what runs it.
      pixels: float32 [height, width, 3], scaled.
      count: photos.
    """

    def make_worker() -> Callable[[int], Any]:
        runner = make_runner()
        return lambda _: runner.scores(pixels[None])

    return _seconds(make_worker, range(count))


def ready(path: str, height_px: int, width_px: int, scale: tuple[tuple[float, ...], tuple[float, ...]]) -> Any:
    """Reads one photo as input of a network: float32 [height, width, 3]; `scale` is (mean, std)."""
    return normalise(decode(path, height_px, width_px), *scale)


def _seconds(make_worker: Callable[[], Callable[[Any], Any]], items: Sequence[Any]) -> float:
    start = time.perf_counter()
    for _ in map_ordered(make_worker, items, cores()):
        pass
    return time.perf_counter() - start
