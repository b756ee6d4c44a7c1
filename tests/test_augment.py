"""One view of a photo: random, and the same each time; the original's arithmetic, by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from PIL import Image

from label_image.errors import PhotoError
from label_image.photo_pixels import decode
from retrain.data import augment
from retrain.data.augment import View, pixels_of
from retrain.files.hashing import file_digest
from retrain.options.options import Options
from retrain.pipeline.settings import cached_views
from retrain.types import Photo

ALL = View(1, flip_left_right=True, random_crop=20, random_scale=30, random_brightness=40, seed=5)
MANY = range(1, 201)


def photo_of(path):
    return Photo(str(path), "grey", file_digest(path))


@pytest.fixture
def photo(tmp_path):
    """Red grows to the right, green downwards, 64 x 64; PNG, so that every value is known."""
    across, down = np.meshgrid(np.arange(64), np.arange(64))
    pixels = np.stack([across * 4, down * 4, np.full((64, 64), 100)], axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "ramp.png")
    return photo_of(tmp_path / "ramp.png")


@pytest.fixture
def decoded(monkeypatch):
    """The sizes that were asked of the decoder."""
    sizes = []

    def watch(path, height_px, width_px):
        sizes.append((height_px, width_px))
        return decode(path, height_px, width_px)

    monkeypatch.setattr(augment, "decode", watch)
    return sizes


def test_view_0_is_the_photo_as_it_is(photo):
    pixels = pixels_of(photo, dataclasses.replace(ALL, number=0), 48, 56)
    assert pixels.dtype == np.uint8
    assert (pixels == decode(photo.path, 48, 56)).all()


def test_the_same_view_has_the_same_bits(photo):
    first, second = (pixels_of(photo, ALL, 32, 32) for _ in range(2))
    assert (first.dtype, first.shape) == (np.float32, (32, 32, 3))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("change", [{"number": 2}, {"seed": 6}])
def test_another_number_or_seed_is_another_view(photo, change):
    assert (pixels_of(photo, ALL, 32, 32) != pixels_of(photo, dataclasses.replace(ALL, **change), 32, 32)).any()


def test_another_photo_is_distorted_in_another_way(photo, tmp_path):
    Image.open(photo.path).save(tmp_path / "other.png", compress_level=0)  # the same pixels in other bytes
    other = photo_of(tmp_path / "other.png")
    assert (pixels_of(photo, ALL, 32, 32) != pixels_of(other, ALL, 32, 32)).any()


def test_the_name_of_the_file_does_not_matter(photo, tmp_path):
    (tmp_path / "moved.png").write_bytes((tmp_path / "ramp.png").read_bytes())
    moved = dataclasses.replace(photo, path=str(tmp_path / "moved.png"), label="other")
    assert pixels_of(photo, ALL, 32, 32).tobytes() == pixels_of(moved, ALL, 32, 32).tobytes()


def test_about_half_of_the_views_are_mirrored(photo):
    views = [pixels_of(photo, View(number, flip_left_right=True), 64, 64) for number in MANY]
    plain = decode(photo.path, 64, 64).astype(np.float32)
    mirrored = sum((view == plain[:, ::-1]).all() for view in views)
    assert mirrored + sum((view == plain).all() for view in views) == len(views)
    assert 70 <= mirrored <= 130  # 200 tosses: 100, give or take four deviations of 7


def test_without_the_flag_no_view_is_mirrored(photo):
    for number in range(1, 21):
        view = pixels_of(photo, View(number, random_crop=10), 32, 32)
        assert (np.diff(view[..., 0], axis=1) >= 0).all()


@pytest.mark.parametrize(
    ("crop", "height_px", "width_px", "enlarged"),
    [
        (10, 224, 224, (246, 246)),  # 224 x 1.1 = 246.4
        (50, 224, 192, (336, 288)),  # 1.5 times; two thirds of each side are seen
        (15, 100, 40, (115, 46)),
        (1, 32, 32, (32, 32)),  # 32.32: no pixel to spare
        (0, 64, 48, (64, 48)),
    ],
)
def test_random_crop_enlarges_by_the_margin(photo, decoded, crop, height_px, width_px, enlarged):
    pixels_of(photo, View(1, random_crop=crop, random_brightness=1), height_px, width_px)
    assert decoded == [enlarged]


def test_a_crop_of_100_percent_keeps_half_of_each_side(photo):
    for number in range(1, 20):
        view = pixels_of(photo, View(number, random_crop=100), 64, 64)
        assert 120 < np.ptp(view[..., 0]) < 132  # half of the ramp's 252, with the blur of resizing


def test_random_scale_enlarges_by_at_most_its_percentage_and_never_shrinks(photo, decoded):
    for number in MANY:
        pixels_of(photo, View(number, random_scale=25), 40, 20)
    heights = [height for height, _ in decoded]
    assert 40 <= min(heights) <= 41
    assert 48 <= max(heights) <= 50
    assert all(width == height // 2 for height, width in decoded)  # the same scale on both sides


def test_margin_and_scale_multiply(photo, decoded):
    for number in MANY:
        pixels_of(photo, View(number, random_crop=50, random_scale=100), 20, 20)
    assert min(decoded) >= (30, 30)
    assert (56, 56) <= max(decoded) <= (60, 60)


def test_the_window_lies_anywhere_inside_the_enlarged_photo(photo):
    places = set()
    for number in MANY:
        view = pixels_of(photo, View(number, random_crop=25), 16, 16)  # out of 20 x 20
        large = decode(photo.path, 20, 20)
        found = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if (large[top : top + 16, left : left + 16] == view).all()
        ]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) == 25


def test_brightness_multiplies_within_its_range_and_clips_nothing(photo):
    plain = decode(photo.path, 16, 16).astype(np.float32)
    factors = []
    for number in MANY:
        view = pixels_of(photo, View(number, random_brightness=50), 16, 16)
        factors.append(float(view[8, 8, 2] / plain[8, 8, 2]))
        np.testing.assert_allclose(view, plain * np.float32(factors[-1]), rtol=1e-5)
    assert 0.5 <= min(factors) < 0.55
    assert 1.45 < max(factors) <= 1.5
    assert max(view_max * plain.max() for view_max in factors) > 255


def test_a_photo_that_can_not_be_read_says_why(tmp_path):
    (tmp_path / "a.jpg").write_text("no photo")
    for number in (0, 1):
        with pytest.raises(PhotoError):
            pixels_of(photo_of(tmp_path / "a.jpg"), dataclasses.replace(ALL, number=number), 8, 8)


def test_each_setting_of_a_distorted_view_is_in_its_key():
    changes: list[dict[str, Any]] = [
        {"number": 2},
        {"flip_left_right": False},
        {"random_crop": 21},
        {"random_scale": 31},
        {"seed": 6},
    ]
    changes += [{"random_brightness": 41}, {"pad_and_crop": 4}, {"random_colour": 5}]
    assert len({field for change in changes for field in change}) == len(dataclasses.fields(View))
    assert len({ALL.key, *(dataclasses.replace(ALL, **change).key for change in changes)}) == len(changes) + 1
    assert ALL.key.startswith(augment.RECIPE)


def test_settings_do_not_change_the_key_of_the_plain_view():
    assert View().key == dataclasses.replace(ALL, number=0).key == "plain"


def test_a_plan_without_distortions_has_no_views():
    assert cached_views(Options.of(image_dir="x", cached_views=7)) == []


def test_a_plan_with_distortions_has_as_many_views_as_it_says():
    options = Options.of(
        image_dir="x", flip_left_right=True, random_crop=20, random_scale=30, random_brightness=40, seed=5
    )
    assert cached_views(options) == [dataclasses.replace(ALL, number=number) for number in (1, 2, 3, 4)]
    assert len(cached_views(options.replaced(cached_views=9))) == 9
