"""The options of distortions: random views of the training photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from label_image.errors import UserError
from label_image.flags import check, flag

DISTORTIONS = ("flip_left_right", "random_crop", "random_scale", "random_brightness", "pad_and_crop", "random_colour")


@dataclass(frozen=True)
class DistortionOptions:
    """How training photos are distorted at random."""

    title: ClassVar[str] = "Distortions"

    flip_left_right: bool = flag(False, "Mirror half of the training views.")
    random_crop: int = flag(
        0, "Distortion: margin, in percent of the picture, of which a random part is cut off.", minimum=0, maximum=1000
    )
    random_scale: int = flag(
        0, "Distortion: how much larger, in percent, a view may be before its window is cut.", minimum=0, maximum=1000
    )
    random_brightness: int = flag(
        0, "Distortion: how much brighter or darker, in percent, a view may be.", minimum=0, maximum=100
    )
    pad_and_crop: int = flag(
        0,
        "Distortion: pixels of grey border, of the size of the network's input, out of which a random window is cut.",
        minimum=0,
        maximum=1000,
    )
    random_colour: int = flag(
        0, "Distortion: how much more or less contrast and colour, in percent, a view may have.", minimum=0, maximum=100
    )
    cached_views: int = flag(
        4,
        "Distorted views made of each training photo, once, and kept; used when a distortion is set.",
        minimum=1,
        maximum=1000,
    )
    test_time_views: int = flag(
        0,
        "Test also by the mean score of so many distorted views of each test photo, at most --cached_views; exports label the photo as it is.",
        minimum=0,
        maximum=1000,
    )

    def __post_init__(self) -> None:
        """Checks the bounds of each field.

        Raises:
          UserError: naming the flag.
        """
        check(self)
        if not self.test_time_views:
            return
        if not self.distorts:
            raise UserError(
                f"--test_time_views={self.test_time_views} needs a distortion, and none is set; give --flip_left_right, say"
            )
        if self.test_time_views > self.cached_views:
            raise UserError(
                f"--test_time_views={self.test_time_views} is more than --cached_views={self.cached_views}; raise that, or lower it"
            )

    @property
    def distorts(self) -> bool:
        """Whether any distortion was asked for."""
        return any(getattr(self, name) for name in DISTORTIONS)
