"""Whether kept features are those that the photos give now: asked when an export disagrees with them.

An export is held against the layer's scores on kept features. Where the two differ, one of them is wrong, and the photo's
own bytes say which.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from label_image.errors import PhotoError, RunError
from retrain.augment import View
from retrain.bottlenecks import compute
from retrain.metrics import softmax
from retrain.nouns import Photo, Trained
from retrain.runtimes import Runtime

LOOKED_AT = 32  # photos at most: where more differ, these say enough
_NAMED = 3


class StaleFeaturesError(RunError):
    """Kept features are not what the photos give; the exports are not at fault.

    Args:
      wrong: photos whose kept features are wrong.
      looked_at: how many were computed anew to find out.
      photos: all photos of the run, of whose kept features none can be trusted now.
    """

    def __init__(self, wrong: Sequence[Photo], looked_at: int, photos: Sequence[Photo]) -> None:
        self.photos = photos
        named = ", ".join(photo.path for photo in wrong[:_NAMED]) + (", ..." if len(wrong) > _NAMED else "")
        self.what = (
            f"the kept features of {len(wrong)} of {looked_at} photos that were computed anew are wrong ({named}); "
            "the exports are not at fault"
        )
        super().__init__(
            f"cannot train on kept features: {self.what}, and they came out differently once more; please report this"
        )


def wrong_rows(
    trained: Trained, photos: Sequence[Photo], kept: npt.NDArray[np.float32], runtime: Runtime, tolerance: float
) -> list[int]:
    """Computes the features of photos anew, and holds the scores on them against those on the kept ones.

    Args:
      trained: the head, and the backbone whose features are kept.
      photos: some photos; those that can not be read any more say nothing.
      kept: float32 [photos, width], their kept features.
      runtime: what computes the features.
      tolerance: of a score; more is no rounding.

    Returns:
      places of photos whose kept features are wrong.
    """
    places, rows = [], []
    for place, row in enumerate(compute(photos, trained.backbone, runtime, View())):
        if not isinstance(row, PhotoError):
            places.append(place)
            rows.append(row)
    if not rows:
        return []
    now, before = (softmax(trained.head.logits(features)) for features in (np.stack(rows), kept[places]))
    same = np.abs(now - before).max(axis=1) <= tolerance  # no number is never the same
    return [places[at] for at in np.flatnonzero(~same)]
