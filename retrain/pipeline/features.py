"""Implements the stage that gets the features of all photos: of undistorted photos, of distorted views, and from the int8 network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError, UserError
from retrain.console import Screen
from retrain.data.augment import View
from retrain.features.extraction import extract, key_for
from retrain.features.photo_features import PhotoFeatures
from retrain.options.options import Options
from retrain.pipeline.backbone import ReadyBackbone, int8_backbone
from retrain.pipeline.photos import SplitPhotos, report_skipped, without_unreadable
from retrain.pipeline.settings import cached_views
from retrain.store.feature_store import Store
from retrain.types import TESTING, TRAINING, Backbone, Bottlenecks, Split


@dataclass(frozen=True)
class Int8Variant:
    """The int8 variant of a backbone, and the features that it computes for the same photos."""

    backbone: Backbone
    bottlenecks: Bottlenecks


def features_stage(
    options: Options, photos: SplitPhotos, ready: ReadyBackbone, store: Store, screen: Screen
) -> PhotoFeatures:
    """Gets the features of all photos; photos that turn out to be unreadable are left out, and the others are split again."""
    found = extract(photos.split.photos, ready.backbone, lambda: ready.runtime, store, View(), screen.paced())
    features, pace = found.features, found.pace
    if pace.computed:
        screen.info(f"{pace.computed} photos in {pace.seconds:.1f} s, {pace.computed / pace.seconds:,.0f} photos/s")
    if found.problems:
        photos = without_unreadable(options, photos, found.problems)
        features = features[found.readable]
    report_skipped(photos.scan, screen)
    screen.notes([*store.notes, *photos.split.notes])
    if not len(photos.training):
        raise UserError("nothing to train on: every photo went to another subset; lower the percentages")
    bottlenecks = _with_views(options, photos.split, features, ready, store, screen)
    return PhotoFeatures(photos.scan, photos.split, ready.backbone, ready.runtime, bottlenecks, pace)


def int8_stage(options: Options, features: PhotoFeatures, store: Store, screen: Screen) -> Int8Variant | None:
    """Makes the int8 variant of a float32 backbone and its features, if --quantize requests it."""
    if "int8" not in options.quantizations or features.backbone.precision != "float32":
        return None
    split = features.split
    ready = int8_backbone(options, features.backbone, SplitPhotos(features.scan, split), screen)
    found = extract(split.photos, ready.backbone, lambda: ready.runtime, store, View(), screen.paced())
    if found.problems:
        place, error = next(iter(found.problems.items()))
        raise RunError(f"cannot read {split.photos[place].path} any more ({error}); run the same command again")
    return Int8Variant(ready.backbone, _with_views(options, split, found.features, ready, store, screen))


def _with_views(
    options: Options,
    split: Split,
    features: npt.NDArray[np.float32],
    ready: ReadyBackbone,
    store: Store,
    screen: Screen,
) -> Bottlenecks:
    """Adds the features of distorted views to those of the undistorted photos.

    There are views of the training photos, and with --test_time_views=N also N views of each test photo.
    """
    views = cached_views(options)
    layers = [features]
    for view in views:
        screen.info(f"distorted view {view.number} of {len(views)}")
        wanted = (TRAINING, TESTING) if view.number <= options.distortions.test_time_views else (TRAINING,)
        rows = np.flatnonzero(np.isin(split.lists, wanted))
        photos = [split.photos[row] for row in rows]
        found = extract(photos, ready.backbone, lambda: ready.runtime, store, view, screen.paced())
        layer = features.copy()  # if a view cannot be computed, the undistorted photo is used instead of zeros
        layer[rows[found.readable]] = found.features[found.readable]
        layers.append(layer)
        if found.problems:
            screen.warn(f"{len(found.problems)} photos have no distorted view {view.number}; they count as they are")
    stacked = np.stack(layers) if len(layers) > 1 else features[None]
    return Bottlenecks(stacked, split.label_ids, split.lists, key_for(ready.backbone, ready.runtime, View()))
