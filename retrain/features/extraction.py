"""Gets the features of photos: reads them from the store, or computes them with a backbone and stores them.

Each core has a worker that decodes photos and runs the network; new features are committed in batches. A photo whose pixels cannot be read
is reported, not raised.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
import numpy.typing as npt

from label_image.errors import OutOfMemoryError, PhotoError, RunError
from label_image.model_kinds.reader import Runner
from label_image.photo_pixels import RECIPE, normalise
from label_image.workers import cores, map_ordered
from retrain.data.augment import View, pixels_of
from retrain.features import library_versions, older_versions
from retrain.features.runtimes import Runtime
from retrain.progress import Progress, speed_of
from retrain.store.feature_store import Store, key_of
from retrain.types import Backbone, Pace, Photo

_COMMIT_PHOTOS = 64  # photos of a commit: at most so many are lost if the process is killed
_COMMIT_S = 2.0

Row = npt.NDArray[np.float32]  # [width]


@dataclass(frozen=True)
class Extraction:
    """The features of photos, and the photos that could not be read."""

    features: npt.NDArray[np.float32]  # [photos, width]; 0 for a photo that could not be read
    readable: npt.NDArray[np.bool_]  # [photos]
    problems: dict[int, PhotoError] = field(default_factory=dict)  # index of the photo -> why it could not be read
    pace: Pace = field(default_factory=Pace)

    def take(self, place: int, result: Row | PhotoError) -> None:
        """Records the result of a photo."""
        if isinstance(result, PhotoError):
            self.problems[place] = result
        else:
            self.features[place], self.readable[place] = result, True

    def copy(self, source: int, place: int) -> None:
        """Copies to a photo the result of another photo with the same bytes."""
        self.take(place, self.problems.get(source, self.features[source]))


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while features were computed; the features computed so far are stored."""

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
    """Gets the features of one view of each photo; photos with the same bytes are computed once.

    Args:
      photos: in any order.
      backbone: a prepared backbone.
      runtime: returns the runtime; called only if features have to be computed.
      store: read first; new features are written to it.
      view: which view.
      say: called for every 100 photos with the line that the original prints.

    Raises:
      Interrupted: on Ctrl-C.
      RunError: the backbone does not run, or the store cannot be written. The features stored so far are kept.
    """
    digests = [photo.sha256 for photo in photos]
    engine = runtime()
    key = key_for(backbone, engine, view)
    found = Extraction(*store.read(key, digests, backbone.width))
    missing = np.flatnonzero(~found.readable).tolist()
    if not missing:
        return found
    if not view.number:
        older_versions.say_changed(store, key, [digests[place] for place in missing], say)
    first = {digests[place]: place for place in reversed(missing)}  # the first photo with each digest
    places = sorted(first.values())
    results = compute([photos[place] for place in places], backbone, engine, view, say)
    keeper = _Keeper(store, key, len(photos) - len(places), len(photos), say)
    pace = _fill(found, places, digests, results, keeper)
    older_versions.drop_oldest(store, key)
    for place in missing:
        found.copy(first[digests[place]], place)
    return dataclasses.replace(found, pace=dataclasses.replace(pace, first=min(engine.batch, len(places))))


def _fill(
    found: Extraction,
    places: Sequence[int],
    digests: Sequence[str],
    results: Generator[Row | PhotoError, None, None],
    keeper: _Keeper,
) -> Pace:
    """Records and stores the results as they arrive; returns the speed."""
    with contextlib.closing(results), keeper:
        for place, result in zip(places, results, strict=True):
            found.take(place, result)
            keeper.add(digests[place], result)
    first_s = (keeper.first_at or keeper.start) - keeper.start
    return Pace(len(places), time.perf_counter() - keeper.start, 0, first_s)


def compute(
    photos: Sequence[Photo],
    backbone: Backbone,
    runtime: Runtime,
    view: View,
    say: Callable[[str], None] = lambda _: None,
) -> Generator[Row | PhotoError, None, None]:
    """Computes the features of photos, in order, on all cores, without the store; for an unreadable photo, yields the error."""
    with contextlib.closing(_compute(photos, backbone, runtime, view, say)) as results:
        yield from map(_sound, results)


def key_for(backbone: Backbone, runtime: Runtime, view: View) -> str:
    """Makes the store key, which contains everything that affects the features."""
    return key_of(
        backbone=backbone.name,
        digest=backbone.digest,
        size=(backbone.height_px, backbone.width_px),
        mean=backbone.mean,
        std=backbone.std,
        layer=backbone.features_layer,
        pixels=RECIPE,
        runtime=f"{runtime.name}/{runtime.device}",
        view=view.key,
        **{
            library_versions.FIELD: {
                **library_versions.decoders(),
                **runtime.made_with,
                **(_random() if view.number else {}),
            }
        },
    )


def _random() -> dict[str, str]:
    """Names NumPy's feature release, on which random distortions depend: another release may draw other random numbers."""
    return {"NumPy": ".".join(np.__version__.split(".")[:2])}


@final
class _Keeper:
    """Stores results as they arrive, and shows progress; at the end of the block, even after an error, it stores the remaining ones."""

    def __init__(self, store: Store, key: str, known: int, total: int, say: Callable[[str], None]) -> None:
        self._store, self._key, self._say = store, key, say
        self._known, self._total = known, total
        self._done = 0
        self.first_at: float | None = None  # when the first result came
        self._pending: list[tuple[str, Row]] = []
        self._progress = Progress(total - known, "photos")
        self.start = self._last = time.perf_counter()

    def add(self, digest: str, result: Row | PhotoError) -> None:
        """Takes the next result."""
        self._done += 1
        if not isinstance(result, PhotoError):
            self._pending.append((digest, result))
        now = time.perf_counter()
        self.first_at = self.first_at or now
        if len(self._pending) >= _COMMIT_PHOTOS or now - self._last > _COMMIT_S:
            self._commit()
            self._last = now
        if self._done % 100 == 0:
            self._progress.close()
            speed = speed_of(self._done, self._total - self._known, "photos", now - self.start)
            self._say(f"{self._done} bottleneck files created. ({speed})")
        self._progress.update(self._done)

    def __enter__(self) -> _Keeper:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._progress.close()
        self._commit()
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted(self._known + self._done, self._total) from None

    def _commit(self) -> None:
        if self._pending:
            self._store.write(self._key, self._pending)
            self._pending = []  # cleared after writing, so that Ctrl-C during the write loses nothing


def _compute(
    photos: Sequence[Photo], backbone: Backbone, runtime: Runtime, view: View, say: Callable[[str], None]
) -> Generator[Row | PhotoError, None, None]:
    """Computes the features of photos, in order, on all cores."""

    def pixels(photo: Photo) -> npt.NDArray[np.float32]:
        raw = pixels_of(photo, view, backbone.height_px, backbone.width_px)
        return normalise(raw, backbone.mean, backbone.std)

    if runtime.batch == 1:

        def make_worker() -> Callable[[Photo], Row | PhotoError]:
            runner = runtime.make_runner()
            return _reporting(lambda photo: runner.scores(pixels(photo)[None])[0])

        yield from map_ordered(make_worker, photos, cores())
        return
    batches = _FittingBatches(runtime.make_runner(), runtime.batch, say)
    batch: list[Row | PhotoError] = []
    # While one batch runs, the next is decoded.
    for decoded in map_ordered(lambda: _reporting(pixels), photos, cores(), 2 * runtime.batch):
        batch.append(decoded)
        if len(batch) == runtime.batch:
            yield from _in_place(batches, batch)
            batch = []
    yield from _in_place(batches, batch)


@final
class _FittingBatches:
    """Computes features in batches that fit into the device's memory: a batch that does not fit is halved."""

    def __init__(self, runner: Runner, size: int, say: Callable[[str], None]) -> None:
        self._runner, self._size, self._say = runner, size, say

    def scores(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Computes features: float32 [n, height, width, 3] -> float32 [n, width].

        Raises:
          RunError: not even one photo fits.
        """
        rows: list[npt.NDArray[np.float32]] = []
        start = 0
        while start < len(batch):
            part = batch[start : start + self._size]
            try:
                rows.append(self._runner.scores(part))
            except OutOfMemoryError as error:
                if len(part) == 1:
                    raise RunError(
                        f"cannot run the network: not even one photo fits; use --device=cpu ({error})"
                    ) from None
                self._size = len(part) // 2
                self._say(f"{len(part)} photos at once do not fit into the device's memory; going on with {self._size}")
            else:
                start += len(part)
        return np.concatenate(rows)


def _sound(result: Row | PhotoError) -> Row | PhotoError:
    """Returns the result, or an error if the features contain NaN or infinite values."""
    if isinstance(result, PhotoError) or np.isfinite(result).all():
        return result
    return PhotoError("no features", "the network's output for this photo is NaN or infinite")


def _reporting(work: Callable[[Photo], Row]) -> Callable[[Photo], Row | PhotoError]:
    """Wraps a function so that it returns the error of an unreadable photo instead of raising it."""

    def report(photo: Photo) -> Row | PhotoError:
        try:
            return work(photo)
        except PhotoError as error:
            return error

    return report


def _in_place(batches: _FittingBatches, items: Sequence[Row | PhotoError]) -> Iterator[Row | PhotoError]:
    """Computes the features of the decoded photos; errors remain at their positions."""
    good = [item for item in items if not isinstance(item, PhotoError)]
    rows = iter(batches.scores(np.stack(good))) if good else iter(())
    for item in items:
        yield item if isinstance(item, PhotoError) else next(rows)
