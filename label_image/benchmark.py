"""Measures how fast a classifier labels photos.

It measures loading, the first photo, the median and the 95th percentile of one photo after another, and the throughput of
all workers. Each time covers the whole photo: reading the file, decoding, resizing and running the network.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from label_image.errors import PhotoError, RunError
from label_image.terminal import clean

if TYPE_CHECKING:
    from label_image.classifier import Classifier

PHOTOS = 256  # at most this many readable photos are used
SPELL_S = 3.0  # duration of each of the two measurements
_FEWEST = 20  # photos in each measurement, however slow: the 95th percentile needs them
_DRAWN_PX = (640, 480)  # size of the photo that is made if none is given


@dataclass(frozen=True)
class Speed:
    """The results of a measurement."""

    graph: str
    photos: int  # how many different photos were used
    load_ms: float  # importing packages, reading the file and preparing the network
    first_image_ms: float
    median_ms: float  # of one photo after another, on one worker
    p95_ms: float
    images_per_s: float  # photos per second with all workers
    workers: int


def measure(load: Callable[[], Classifier], photos: Iterable[str], workers: int, spell_s: float = SPELL_S) -> Speed:
    """Loads a classifier and measures it.

    Args:
      load: loads the classifier, including all imports.
      photos: paths; unreadable photos are skipped.
      workers: how many `classify_all` uses.
      spell_s: seconds for each of the two measurements.

    Raises:
      RunError: no photo can be read.
    """
    start = time.perf_counter()
    classifier = load()
    load_ms = _ms_since(start)
    sources, first_ms = _readable(classifier, photos)
    singles = list(_singles(classifier, sources, spell_s))
    return Speed(
        graph=str(classifier.path),
        photos=len(sources),
        load_ms=round(load_ms, 3),
        first_image_ms=round(first_ms, 3),
        median_ms=round(statistics.median(singles), 3),
        p95_ms=round(percentile(singles, 95), 3),
        images_per_s=round(_together(classifier, sources, workers, spell_s), 2),
        workers=workers,
    )


def drawn_photo(folder: Path) -> str:
    """Draws the photo that is measured if none is given: 640 x 480 pixels of coloured noise, always the same."""
    import numpy as np
    from PIL import Image

    coarse = np.random.default_rng(0).integers(0, 256, (_DRAWN_PX[1] // 16, _DRAWN_PX[0] // 16, 3), np.uint8)
    path = folder / "drawn.jpg"
    Image.fromarray(coarse).resize(_DRAWN_PX, Image.Resampling.BICUBIC).save(path, quality=90)
    return str(path)


def percentile(values: list[float], percent: float) -> float:
    """Computes a percentile: the smallest value that at least `percent` of the values do not exceed.

    >>> percentile([4.0, 1.0, 3.0, 2.0], 50), percentile([float(n) for n in range(1, 101)], 95)
    (2.0, 95.0)
    """
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]


def written(speed: Speed, form: str) -> str:
    """Formats the numbers as text, json, jsonl or csv; programs find them under their field names in Speed."""
    fields = asdict(speed)
    if form in ("json", "jsonl"):
        return json.dumps(fields, indent=1 if form == "json" else None) + "\n"
    if form == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([list(fields), list(fields.values())])
        return text.getvalue()
    return (
        f"graph        {clean(str(speed.graph))}\n"
        f"photos       {speed.photos}\n"
        f"load         {speed.load_ms:10.1f} ms\n"
        f"first image  {speed.first_image_ms:10.1f} ms\n"
        f"median       {speed.median_ms:10.1f} ms\n"
        f"p95          {speed.p95_ms:10.1f} ms\n"
        f"images/s     {speed.images_per_s:10.1f} with {speed.workers} worker{'s' * (speed.workers != 1)}\n"
    )


def _readable(classifier: Classifier, photos: Iterable[str]) -> tuple[list[str], float]:
    """Finds the readable photos, and the milliseconds that the first of them took."""
    sources: list[str] = []
    first_ms, seen, reason = 0.0, 0, ""
    for source in photos:
        seen += 1
        start = time.perf_counter()
        try:
            classifier.classify(source)
        except PhotoError as error:
            reason = f" ({error})"
            continue
        first_ms = first_ms or _ms_since(start)
        sources.append(source)
        if len(sources) == PHOTOS:
            break
    if not sources:
        raise RunError(f"cannot measure: none of {seen} photos can be labelled{reason}")
    return sources, first_ms


def _singles(classifier: Classifier, sources: list[str], spell_s: float) -> Iterator[float]:
    """Measures the milliseconds of one photo after another."""
    end = time.perf_counter() + spell_s
    for count, source in enumerate(itertools.cycle(sources)):
        start = time.perf_counter()
        if count >= _FEWEST and start > end:
            return
        classifier.classify(source)
        yield _ms_since(start)


def _together(classifier: Classifier, sources: list[str], workers: int, spell_s: float) -> float:
    """Measures photos per second with all workers; the first photos, for which each worker creates its interpreter, are not counted."""
    uncounted = 2 * workers
    end = time.perf_counter() + spell_s

    def enough() -> Iterator[str]:
        for count, source in enumerate(itertools.cycle(sources)):
            if count >= _FEWEST + uncounted and time.perf_counter() > end:
                return
            yield source

    start, done = 0.0, 0
    for done, _ in enumerate(classifier.classify_all(enough()), 1):
        if done == uncounted:
            start = time.perf_counter()
    return (done - uncounted) / (time.perf_counter() - start)


def _ms_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
