"""The stage that gets features, in words: photos and a backbone in; Bottlenecks out, and what the user reads meanwhile.

Of the photos as they are, of their distorted views, and of the int8 form of the backbone, each where the plan asks for it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError, UserError
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.quantize import quantized
from retrain.console import Screen
from retrain.data.augment import View, views_of
from retrain.data.split import split_photos
from retrain.features.extraction import extract, key_for
from retrain.features.runtimes import Runtime, choose
from retrain.options.options import Options
from retrain.store.feature_store import Store
from retrain.types import TESTING, TRAINING, Backbone, Bottlenecks, Pace, Photo, Scan, Skipped, Split


def features_stage(
    options: Options, scan: Scan, split: Split, tools: tuple[Backbone, Runtime, Store], screen: Screen
) -> tuple[Scan, Split, Bottlenecks, Pace]:
    """Gets the features of every photo; photos that can not be read after all are left out and the rest dealt again."""
    backbone, runtime, store = tools
    plain = extract(split.photos, backbone, lambda: runtime, store, View(), screen.paced())
    features, pace = plain.features, plain.pace
    if pace.computed:
        screen.info(f"{pace.computed} photos in {pace.seconds:.1f} s, {pace.computed / pace.seconds:,.0f} photos/s")
    if plain.problems:
        unreadable = tuple(
            Skipped(split.photos[place].path, error.reason, error.detail) for place, error in plain.problems.items()
        )
        if options.data.strict:
            first = unreadable[0]
            raise RunError(
                f"cannot read {first.path} ({first.reason}: {first.detail}); mend or remove it, or leave out --strict"
            )
        kept = [photo for place, photo in enumerate(split.photos) if place not in plain.problems]
        features = features[plain.readable]
        lost = set(scan.labels) - {photo.label for photo in kept}
        if lost:
            raise UserError(
                f"cannot train the class {min(lost)!r}: none of its photos can be read; add photos or remove the folder"
            )
        scan = dataclasses.replace(scan, photos=tuple(kept), skipped=(*scan.skipped, *unreadable))
        split = split_photos(scan, options)
    report_skipped(scan, screen)
    screen.notes([*store.notes, *split.notes])
    if not len(training_photos(split)):
        raise UserError("nothing to train on: every photo went to another list; lower the percentages")
    return scan, split, with_views(options, split, features, tools, screen), pace


def training_photos(split: Split) -> list[Photo]:
    """The photos of the training list."""
    return [split.photos[row] for row in np.flatnonzero(split.lists == TRAINING)]


def with_views(
    options: Options,
    split: Split,
    features: npt.NDArray[np.float32],
    tools: tuple[Backbone, Runtime, Store],
    screen: Screen,
) -> Bottlenecks:
    """The features of the photos as they are, and of distorted views where the plan asks for them.

    Those of the training photos, and with --test_time_views so many of the test photos too.

    Args:
      plan: the distortions.
      split: the photos.
      features: float32 [photos, width], of the photos as they are.
      tools: the backbone, what runs it, where features are kept.
      screen: for progress, and views that can not be read.
    """
    backbone, runtime, store = tools
    layers = [features]
    for view in views_of(options):
        screen.info(f"distorted view {view.number} of {options.distortions.cached_views}")
        wanted = (TRAINING, TESTING) if view.number <= options.distortions.test_time_views else (TRAINING,)
        rows = np.flatnonzero(np.isin(split.lists, wanted))
        extra = extract([split.photos[row] for row in rows], backbone, lambda: runtime, store, view, screen.paced())
        layer = features.copy()  # a photo whose view can not be read counts as it is, not as zeros
        layer[rows[extra.readable]] = extra.features[extra.readable]
        layers.append(layer)
        if extra.problems:
            screen.warn(f"{len(extra.problems)} photos have no distorted view {view.number}; they count as they are")
    stacked = np.stack(layers) if len(layers) > 1 else features[None]
    return Bottlenecks(stacked, split.label_ids, split.lists, key_for(backbone, runtime, View()))


def int8_twin(
    options: Options, split: Split, backbone: Backbone, store: Store, screen: Screen
) -> tuple[Backbone, Bottlenecks] | None:
    """The int8 form of a float32 backbone and its features, where --quantize asks for it."""
    if "int8" not in options.quantizations or backbone.precision != "float32":
        return None
    twin = quantized(
        backbone, "int8", training_photos(split), ModelFolder.of(options.network, screen.info), screen.info
    )
    runtime = choose(twin, "cpu")
    plain = extract(split.photos, twin, lambda: runtime, store, View(), screen.paced())
    if plain.problems:
        place, error = next(iter(plain.problems.items()))
        raise RunError(f"cannot read {split.photos[place].path} any more ({error}); run the same command again")
    return twin, with_views(options, split, plain.features, (twin, runtime, store), screen)


def report_skipped(scan: Scan, screen: Screen) -> None:
    """Lists what was left out, then counts it by reason."""
    if not scan.skipped:
        return
    screen.notes(
        f"left out {skipped.path}: {skipped.reason}{f' ({skipped.detail})' if skipped.detail else ''}"
        for skipped in scan.skipped
    )
    counts = ", ".join(f"{count} x {reason}" for reason, count in Counter(s.reason for s in scan.skipped).most_common())
    screen.warn(f"{len(scan.skipped)} files left out of {len(scan.skipped) + len(scan.photos)}: {counts}")
