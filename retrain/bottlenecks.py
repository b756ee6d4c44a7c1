"""Photos in, features out: read from the store, or computed by a backbone and kept there.

A worker a core decodes and runs its own photos; what is new is committed in batches. A photo whose pixels can not be read
is reported, not raised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from label_image.errors import PhotoError
from label_image.pixels import RECIPE, normalise
from label_image.workers import cores, map_ordered
from retrain.augment import View, pixels_of
from retrain.nouns import Backbone, Photo
from retrain.progress import Progress, describe
from retrain.runtimes import Runtime
from retrain.store import Store, key_of

_COMMIT_PHOTOS = 64  # lost at most by a kill
_COMMIT_S = 2.0

Row = npt.NDArray[np.float32]  # [width]


@dataclass(frozen=True)
class Extraction:
    """The features of photos, and what became of each."""

    features: npt.NDArray[np.float32]  # [photos, width]; zero where a photo could not be read
    readable: npt.NDArray[np.bool_]  # [photos]
    problems: dict[int, PhotoError] = field(default_factory=dict)  # place -> why not
    computed: int = 0  # photos that were not in the store
    seconds: float = 0.0  # spent on them


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while features were computed; what is done is kept."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__(f"{done} of {total}")
        self.done, self.total = done, total


def extract(
    photos: Sequence[Photo],
    backbone: Backbone,
    runtime: Callable[[], Runtime],
    store: Store,
    view: View,
    say: Callable[[str], None],
) -> Extraction:
    """Gets the features of one view of each photo.

    Args:
      photos: in any order; photos with the same bytes are computed once.
      backbone: made ready.
      runtime: called when something has to be computed.
      store: read first, written as features come.
      view: which view.
      say: called with the original's line each 100 photos.

    Raises:
      Interrupted: on Ctrl-C.
    """
    digests = [photo.sha256 for photo in photos]
    key = key_for(backbone, runtime(), view)
    features, readable = store.read(key, digests, backbone.width)
    missing = {digest: place for place, digest in reversed(list(enumerate(digests))) if not readable[place]}
    places = sorted(missing.values())
    if not places:
        return Extraction(features, readable)
    start = time.perf_counter()
    computed = _compute_and_keep([photos[place] for place in places], backbone, runtime(), store, (key, view), say)
    results = {photos[place].sha256: result for place, result in zip(places, computed, strict=True)}
    problems = {}
    for place, digest in enumerate(digests):
        result = results.get(digest)
        if isinstance(result, PhotoError):
            problems[place] = result
        elif result is not None:
            features[place], readable[place] = result, True
    return Extraction(features, readable, problems, len(places), time.perf_counter() - start)


def key_for(backbone: Backbone, runtime: Runtime, view: View) -> str:
    """The store key: everything that can change the numbers."""
    return key_of(
        backbone=backbone.name,
        digest=backbone.digest,
        pixels=RECIPE,
        runtime=f"{runtime.name}/{runtime.device}",
        view=view.key,
    )


def _compute_and_keep(
    photos: Sequence[Photo],
    backbone: Backbone,
    runtime: Runtime,
    store: Store,
    kept_as: tuple[str, View],
    say: Callable[[str], None],
) -> list[Row | PhotoError]:
    key, view = kept_as
    results: list[Row | PhotoError] = []
    progress = Progress(len(photos), "photos")
    pending: list[tuple[str, Row]] = []
    start = last = time.perf_counter()
    try:
        for photo, result in zip(photos, _compute(photos, backbone, runtime, view), strict=True):
            results.append(result)
            if not isinstance(result, PhotoError):
                pending.append((photo.sha256, result))
            now = time.perf_counter()
            if len(pending) >= _COMMIT_PHOTOS or now - last > _COMMIT_S:
                store.write(key, pending)
                pending, last = [], now
            if len(results) % 100 == 0:
                rate = describe(len(results), len(photos), "photos", now - start).split(", ", 1)[-1]
                say(f"{len(results)} bottleneck files created. ({rate})")
            progress.update(len(results))
    except KeyboardInterrupt:
        raise Interrupted(len(results), len(photos)) from None
    finally:
        progress.close()
        if pending:
            store.write(key, pending)
    return results


def _compute(photos: Sequence[Photo], backbone: Backbone, runtime: Runtime, view: View) -> Iterator[Row | PhotoError]:
    """Features of photos, in order, on all cores."""

    def pixels(photo: Photo) -> npt.NDArray[np.float32]:
        raw = pixels_of(photo, view, backbone.height_px, backbone.width_px)
        return normalise(raw, backbone.mean, backbone.std)

    if runtime.batch == 1:

        def make_worker() -> Callable[[Photo], Row | PhotoError]:
            runner = runtime.make_runner()
            return _reporting(lambda photo: runner.scores(pixels(photo)[None])[0])

        yield from map_ordered(make_worker, photos, cores())
        return
    runner = runtime.make_runner()
    batch: list[Row | PhotoError] = []
    for decoded in map_ordered(lambda: _reporting(pixels), photos, cores()):
        batch.append(decoded)
        if len(batch) == runtime.batch:
            yield from _run_batch(runner.scores, batch)
            batch = []
    yield from _run_batch(runner.scores, batch)


def _reporting(work: Callable[[Photo], Row]) -> Callable[[Photo], Row | PhotoError]:
    """The same, with an unreadable photo as a value."""

    def report(photo: Photo) -> Row | PhotoError:
        try:
            return work(photo)
        except PhotoError as error:
            return error

    return report


def _run_batch(
    scores: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]], batch: Sequence[Row | PhotoError]
) -> Iterator[Row | PhotoError]:
    """Runs what could be decoded in one call; problems keep their places."""
    good = [item for item in batch if not isinstance(item, PhotoError)]
    rows = iter(scores(np.stack(good))) if good else iter(())
    for item in batch:
        yield item if isinstance(item, PhotoError) else next(rows)
