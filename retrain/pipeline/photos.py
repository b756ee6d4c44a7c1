"""Implements the stage that finds the photos and splits them into a training, a validation and a test set."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from label_image.errors import PhotoError, RunError, UserError
from retrain.clock import Clock
from retrain.console import Screen
from retrain.data.scan import few_photo_notes
from retrain.options.options import Options
from retrain.pipeline.settings import divided, scanned
from retrain.store.feature_store import Store
from retrain.types import TRAINING, Photo, Scan, Skipped, Split

_CLASSES_SAID = 20  # class folders for which a line is printed; further ones are only counted


@dataclass(frozen=True)
class SplitPhotos:
    """The photos, and the subset of each."""

    scan: Scan
    split: Split

    @property
    def training(self) -> list[Photo]:
        """Returns the photos of the training set."""
        return [self.split.photos[row] for row in np.flatnonzero(self.split.lists == TRAINING)]


def photos_stage(options: Options, store: Store, clock: Clock, screen: Screen) -> SplitPhotos:
    """Finds and splits the photos; prints notes about them."""
    with clock.stage("scan"):
        scan = scanned(options, store, screen.first(_CLASSES_SAID))
        split = divided(options, scan)
    screen.notes([*few_photo_notes(scan), *scan.notes])
    return SplitPhotos(scan, split)


def without_unreadable(options: Options, photos: SplitPhotos, problems: Mapping[int, PhotoError]) -> SplitPhotos:
    """Removes photos that turned out to be unreadable, and splits the others again.

    Args:
      options: all options; those of the data are used.
      photos: all of them.
      problems: maps the index of a photo in the split to the reason why it cannot be read.

    Raises:
      RunError: a photo is unreadable, and --strict is set.
      UserError: a class has no photo left.
    """
    scan, split = photos.scan, photos.split
    unreadable = tuple(
        Skipped(split.photos[place].path, error.reason, error.detail) for place, error in problems.items()
    )
    if options.data.strict:
        first = unreadable[0]
        raise RunError(
            f"cannot read {first.path} ({first.reason}: {first.detail}); mend or remove it, or leave out --strict"
        )
    kept = tuple(photo for place, photo in enumerate(split.photos) if place not in problems)
    lost = set(scan.labels) - {photo.label for photo in kept}
    if lost:
        raise UserError(
            f"cannot train the class {min(lost)!r}: none of its photos can be read; add photos or remove the folder"
        )
    scan = dataclasses.replace(scan, photos=kept, skipped=(*scan.skipped, *unreadable))
    return SplitPhotos(scan, divided(options, scan))


def report_skipped(scan: Scan, screen: Screen) -> None:
    """Prints the files that were left out, then their number for each reason."""
    if not scan.skipped:
        return
    screen.notes(
        f"left out {skipped.path}: {skipped.reason}{f' ({skipped.detail})' if skipped.detail else ''}"
        for skipped in scan.skipped
    )
    counts = ", ".join(f"{count} x {reason}" for reason, count in Counter(s.reason for s in scan.skipped).most_common())
    screen.warn(f"{len(scan.skipped)} files left out of {len(scan.skipped) + len(scan.photos)}: {counts}")
