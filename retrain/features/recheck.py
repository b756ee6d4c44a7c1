"""Checks kept features against newly computed ones: a few in each run, more if an export disagrees with them.

An export is held against the layer's scores on kept features. Where the two differ, one of them is wrong, and the photo's
own bytes say which. A layer that was trained on wrong features may hide it (of features that are all the same it uses
none), so that two photos are asked before, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from label_image.errors import PhotoError, RunError
from label_image.softmax import softmax
from retrain.data.augment import View
from retrain.features.extraction import compute
from retrain.features.runtimes import Runtime
from retrain.types import TESTING, Backbone, Bottlenecks, Head, Photo, Split

LOOKED_AT = 32  # photos at most: where more differ, these say enough
_ASKED = 2  # photos each time: with the network's start, some 20 ms
_ROUNDING = 0.05  # of a photo's largest feature: what an int8 network's rounding can come to on another processor
_NAMED = 3


class StaleFeaturesError(RunError):
    """Kept features differ from newly computed ones; neither the photos nor the exports are at fault.

    Args:
      wrong: photos whose kept features are wrong.
      looked_at: how many were computed anew to find out.
      photos: all photos of the run, of whose kept features none can be trusted now.
    """

    def __init__(self, wrong: Sequence[Photo], looked_at: int, photos: Sequence[Photo]) -> None:
        self.photos = photos
        named = ", ".join(photo.path for photo in wrong[:_NAMED]) + (", ..." if len(wrong) > _NAMED else "")
        self.what = (
            f"the kept features of {len(wrong)} of {looked_at} photos that were computed anew are wrong ({named})"
        )
        super().__init__(
            f"cannot train on kept features: {self.what}, and they came out differently once more; please report this"
        )


def ask_some(split: Split, bottlenecks: Bottlenecks, backbone: Backbone, runtime: Runtime) -> None:
    """Computes the features of a few photos anew, others each time; not of those of the test, on which exports are verified.

    Raises:
      StaleFeaturesError: what was kept of one is wrong.
    """
    rows = np.flatnonzero(bottlenecks.lists != TESTING)
    chosen = np.random.default_rng().choice(rows, min(_ASKED, len(rows)), replace=False)
    photos = [split.photos[row] for row in chosen]
    wrong = wrong_rows(backbone, photos, bottlenecks.features[0, chosen], runtime)
    if wrong:
        raise StaleFeaturesError([photos[place] for place in wrong], len(photos), split.photos)


def wrong_rows(
    backbone: Backbone,
    photos: Sequence[Photo],
    kept: npt.NDArray[np.float32],
    runtime: Runtime,
    head: Head | None = None,
    tolerance: float = 0.0,
) -> list[int]:
    """Computes the features of photos again and compares them with the kept ones.

    Args:
      backbone: whose features are kept.
      photos: some photos; those that cannot be read any more say nothing.
      kept: float32 [photos, width], their kept features.
      runtime: what computes the features.
      head: where given, the scores are held against each other too.
      tolerance: of a score; more is no rounding.

    Returns:
      places of photos whose kept features are wrong.
    """
    found = list(enumerate(compute(photos, backbone, runtime, View())))
    places = [place for place, row in found if not isinstance(row, PhotoError)]
    if not places:
        return []
    now = np.stack([row for _, row in found if not isinstance(row, PhotoError)])
    before = kept[places]
    with np.errstate(
        all="ignore"
    ):  # what was kept may be anything; compared so that what is no number is never the same
        same = np.abs(now - before).max(axis=1) <= _ROUNDING * np.abs(now).max(axis=1) + 1e-6
        if head is not None:
            same &= np.abs(softmax(head.logits(now)) - softmax(head.logits(before))).max(axis=1) <= tolerance
    return [places[at] for at in np.flatnonzero(~same)]
