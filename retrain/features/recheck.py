"""Checks stored features by computing some of them again: a few in each run, more if the scores of an export differ.

The scores of an export are compared with the layer's scores on stored features. If they differ, one of them is wrong, and features
computed again from the photos tell which. A layer that was trained on wrong features may hide the error (for example, it ignores
features that are all equal), so each run also checks two photos before training.
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

LOOKED_AT = 32  # maximum number of photos to check; so many are enough to find the cause
_ASKED = 2  # photos to check in each run; takes about 20 ms, including the start of the network
_ROUNDING = 0.05  # relative to the largest feature of a photo: rounding of int8 networks on different processors
_NAMED = 3


class StaleFeaturesError(RunError):
    """Stored features are wrong; the photos and the exports are correct.

    Args:
      wrong: photos whose stored features are wrong.
      looked_at: the number of photos that were checked.
      photos: all photos of the run; none of their stored features can be trusted.
    """

    def __init__(self, wrong: Sequence[Photo], looked_at: int, photos: Sequence[Photo]) -> None:
        self.photos = photos
        named = ", ".join(photo.path for photo in wrong[:_NAMED]) + (", ..." if len(wrong) > _NAMED else "")
        self.what = (
            f"the stored features of {len(wrong)} of {looked_at} photos that were computed again are wrong ({named})"
        )
        super().__init__(
            f"cannot train on stored features: {self.what}, and the same happened again; please report this"
        )


def ask_some(split: Split, bottlenecks: Bottlenecks, backbone: Backbone, runtime: Runtime) -> None:
    """Checks the features of a few photos, different ones in each run; not of test photos, which the exports check.

    Raises:
      StaleFeaturesError: the stored features of a photo are wrong.
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
    """Computes the features of photos again, and compares them with the stored ones.

    Args:
      backbone: the backbone of the stored features.
      photos: some photos; those that cannot be read any more are skipped.
      kept: float32 [photos, width], their stored features.
      runtime: computes the features.
      head: if given, its scores are compared too.
      tolerance: the largest difference of a score that counts as rounding.

    Returns:
      indices of the photos whose stored features are wrong.
    """
    found = list(enumerate(compute(photos, backbone, runtime, View())))
    places = [place for place, row in found if not isinstance(row, PhotoError)]
    if not places:
        return []
    now = np.stack([row for _, row in found if not isinstance(row, PhotoError)])
    before = kept[places]
    with np.errstate(all="ignore"):  # `not (a <= b)` also detects NaN, which stored features may contain
        same = np.abs(now - before).max(axis=1) <= _ROUNDING * np.abs(now).max(axis=1) + 1e-6
        if head is not None:
            same &= np.abs(softmax(head.logits(now)) - softmax(head.logits(before))).max(axis=1) <= tolerance
    return [places[at] for at in np.flatnonzero(~same)]
