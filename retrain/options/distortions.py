"""Defines the options of distortions: random views of the training photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from label_image.errors import UserError
from label_image.flags import check
from retrain.options.option import ALWAYS, NETWORK_KEPT, option


@dataclass(frozen=True)
class DistortionOptions:
    """How training photos are distorted at random."""

    title: ClassVar[str] = "Distortions of the training photos"

    flip_left_right: bool = option(
        False,
        "Train on distorted copies of the photos (see --cached_views), each mirrored with a probability of one half.",
        used_by=ALWAYS,
        in_snapshot="network",
        common=True,
    )
    random_crop: int = option(
        0,
        "Crop the photo at a random place. The value is the margin that is cut off, in percent of the photo.",
        used_by=ALWAYS,
        in_snapshot="network",
        minimum=0,
        maximum=1000,
    )
    random_scale: int = option(
        0,
        "Enlarge the photo by a random factor before it is cropped. The value is the largest enlargement in percent.",
        used_by=ALWAYS,
        in_snapshot="network",
        minimum=0,
        maximum=1000,
    )
    random_brightness: int = option(
        0,
        "Change the brightness at random. The value is the largest change in percent.",
        used_by=ALWAYS,
        in_snapshot="network",
        minimum=0,
        maximum=100,
    )
    pad_and_crop: int = option(
        0,
        "Add a grey border to the photo and crop it at a random place to the size of the network's input. The value is the width of the border in pixels.",
        used_by=ALWAYS,
        in_snapshot="network",
        minimum=0,
        maximum=1000,
    )
    random_colour: int = option(
        0,
        "Change the contrast and the colour saturation at random. The value is the largest change in percent.",
        used_by=ALWAYS,
        in_snapshot="network",
        minimum=0,
        maximum=100,
    )
    cached_views: int = option(
        4,
        "The number of distorted copies (views) of each training photo, if a distortion is set. They are made once, and their features are kept.",
        used_by=ALWAYS,
        in_snapshot="no",
        minimum=1,
        maximum=1000,
    )
    test_time_views: int = option(
        0,
        "Also measure the test accuracy with the mean scores of this many distorted views of each test photo, at most --cached_views. 0 means no such test. The exported files always label the undistorted photo.",
        used_by=[NETWORK_KEPT],
        in_snapshot="no",
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
        """Tells whether any distortion is requested."""
        return self.flip_left_right or any(
            (self.random_crop, self.random_scale, self.random_brightness, self.pad_and_crop, self.random_colour)
        )
