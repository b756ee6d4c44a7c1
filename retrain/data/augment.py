"""Makes views of a photo: the photo as it is, or a random distortion of it that is the same each time.

The distortions are the original's (its retrain.py, `add_input_distortions`): enlarge by a margin and a random scale, cut a
random window, mirror half of the views, make brighter or darker without clipping. Two more are added: a window from a padded picture
(He and others, 2015) and a change of colours. The random numbers depend only on the photo's digest, the seed and the view's
number, so that a view can be stored and made again bit by bit.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.photo_pixels import decode
from retrain.files.hashing import bytes_of
from retrain.types import Photo

RECIPE = (
    "views/1"  # part of the key of distorted views: increase it when the same random numbers lead to another distortion
)
_GREY = 127  # the border of a padded picture: near the mean of photos, so that it carries little information


@dataclass(frozen=True, kw_only=True)
class Distortions:
    """The random distortions of photos; the fields are named as the flags are."""

    flip_left_right: bool = False
    random_crop: int = 0  # percent
    random_scale: int = 0  # percent
    random_brightness: int = 0  # percent
    pad_and_crop: int = 0  # pixels
    random_colour: int = 0  # percent

    @property
    def distorts(self) -> bool:
        """Whether any is set."""
        return any(getattr(self, field.name) for field in dataclasses.fields(Distortions))


@dataclass(frozen=True)
class View(Distortions):
    """One view of a photo. Number 0 is the photo without distortion, whatever the other fields are."""

    number: int = 0
    seed: int = 0

    @property
    def key(self) -> str:
        """All fields that can change the pixels, as text."""
        if not self.number:
            return "plain"
        newer = (
            ("pad", self.pad_and_crop),
            ("colour", self.random_colour),
        )  # only included when set, so that older keys stay valid
        return (
            f"{RECIPE}/{self.number}/flip{int(self.flip_left_right)}/crop{self.random_crop}/scale{self.random_scale}"
            f"/brightness{self.random_brightness}/seed{self.seed}"
            + "".join(f"/{name}{value}" for name, value in newer if value)
        )


def views_of(distortions: Distortions, count: int, seed: int) -> list[View]:
    """Returns `count` distorted views of each photo, or none if no distortion is set."""
    if not distortions.distorts:
        return []
    values = {field.name: getattr(distortions, field.name) for field in dataclasses.fields(Distortions)}
    return [View(number, seed, **values) for number in range(1, count + 1)]


def pixels_of(photo: Photo, view: View, height_px: int, width_px: int) -> npt.NDArray[Any]:
    """The pixels of one view.

    Returns:
      [height_px, width_px, 3], 0..255: uint8 without distortion; float32 with distortion, where brightness may exceed 255.

    Raises:
      PhotoError: the photo cannot be read.
    """
    data = bytes_of(photo.path, photo.sha256)
    if not view.number:
        return decode(data, height_px, width_px)
    rng = _rng(photo, view)
    # Computed in float32 as in the original: a 15 percent margin around 100 pixels gives 115, while float64 would give 114.
    margin = np.float32(1 + view.random_crop / 100)
    scale = margin * np.float32(rng.uniform(1, 1 + view.random_scale / 100))
    large = decode(data, int(scale * np.float32(height_px)), int(scale * np.float32(width_px)))
    top = int(rng.integers(large.shape[0] - height_px + 1))
    left = int(rng.integers(large.shape[1] - width_px + 1))
    window = large[top : top + height_px, left : left + width_px]
    window = padded_window(window, view.pad_and_crop, rng)
    if view.flip_left_right and rng.random() < 0.5:
        window = window[:, ::-1]
    spread = view.random_brightness / 100
    brightness = np.float32(rng.uniform(1 - spread, 1 + spread))
    bright = np.ascontiguousarray(window, np.float32) * brightness
    return recoloured(bright, view.random_colour, rng) if view.random_colour else bright


def padded_window(picture: npt.NDArray[Any], pad_px: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Cuts a random window of the picture's size from the picture with a border of middle grey: [h, w, 3] -> [h, w, 3]."""
    if not pad_px:
        return picture
    top, left = rng.integers(2 * pad_px + 1, size=2).tolist()
    height_px, width_px = picture.shape[:2]
    padded = np.pad(picture, ((pad_px, pad_px), (pad_px, pad_px), (0, 0)), constant_values=_GREY)
    return padded[top : top + height_px, left : left + width_px]


def recoloured(picture: npt.NDArray[Any], percent: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Changes contrast and saturation at random by up to `percent`: [h, w, 3], 0..255 -> float32, clipped to 0..255."""
    spread = percent / 100
    contrast, saturation = rng.uniform(1 - spread, 1 + spread, 2).astype(np.float32).tolist()
    values = picture.astype(np.float32)
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * np.float32(saturation)
    middle = np.float32(grey.mean())
    seen: npt.NDArray[np.float32] = np.clip(middle + (values - middle) * np.float32(contrast), 0, 255)
    return seen


def _rng(photo: Photo, view: View) -> np.random.Generator:
    text = f"{photo.sha256}/{view.seed}/{view.number}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little"))
