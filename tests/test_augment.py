"""Distortions: the original's arithmetic, the same view the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from label_image.pixels import decode
from retrain.augment import View, pixels_of, views_of
from retrain.nouns import Photo
from retrain.plan import Plan


@pytest.fixture
def photo(tmp_path):
    ramp = np.zeros((100, 100, 3), np.uint8)
    ramp[..., 0] = np.arange(100) * 2  # redder to the right
    ramp[..., 1] = np.arange(100)[:, None] * 2  # greener to the bottom
    ramp[..., 2] = 100
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    return Photo(str(tmp_path / "ramp.png"), "a", "ab" * 32)


def test_view_zero_is_the_photo_as_label_image_sees_it(photo):
    assert np.array_equal(pixels_of(photo, View(), 50, 40), decode(photo.path, 50, 40))


def test_the_same_view_is_the_same_bits_and_another_number_is_not(photo):
    view = View(1, True, 20, 20, 20)
    assert np.array_equal(pixels_of(photo, view, 50, 50), pixels_of(photo, view, 50, 50))
    assert not np.array_equal(pixels_of(photo, view, 50, 50), pixels_of(photo, View(2, True, 20, 20, 20), 50, 50))


def test_half_of_the_views_are_mirrored(photo):
    plain = decode(photo.path, 50, 50).astype(np.float32)
    mirrored = [
        np.array_equal(pixels_of(photo, View(n, flip_left_right=True), 50, 50), plain[:, ::-1]) for n in range(1, 201)
    ]
    assert 70 < sum(mirrored) < 130  # 200 tosses: deviation 7


def test_a_crop_of_100_percent_keeps_half_of_each_side(photo):
    """The margin is 1 + crop / 100: the picture is enlarged to twice the size, and a window of the size is cut."""
    for number in range(1, 20):
        view = pixels_of(photo, View(number, random_crop=100), 50, 50)
        assert view.shape == (50, 50, 3)
        assert 90 < np.ptp(view[..., 0]) < 108  # half of the ramp's 198, with the blur of resizing


def test_scale_only_ever_enlarges(photo):
    spans = [np.ptp(pixels_of(photo, View(n, random_scale=100), 50, 50)[..., 0]) for n in range(1, 40)]
    assert min(spans) >= 90
    assert max(spans) <= 198
    assert np.ptp(spans) > 40


def test_brightness_multiplies_without_clipping(photo):
    plain = decode(photo.path, 50, 50).astype(np.float32)
    factors = [
        float(pixels_of(photo, View(n, random_brightness=50), 50, 50)[..., 2].mean() / plain[..., 2].mean())
        for n in range(1, 100)
    ]
    assert 0.5 <= min(factors) < 0.6
    assert 1.4 < max(factors) <= 1.5
    assert max(pixels_of(photo, View(n, random_brightness=100), 50, 50).max() for n in range(1, 40)) > 255


def test_keys_differ_where_numbers_do():
    keys = {view.key for view in (View(), View(1), View(2), View(1, True), View(1, False, 5), View(1, seed=1))}
    assert len(keys) == 6
    assert View(0, True, 5).key == View().key


def test_views_are_made_only_when_a_distortion_is_asked_for():
    assert views_of(Plan(image_dir="x")) == []
    assert [view.number for view in views_of(Plan(image_dir="x", random_crop=10, cached_views=3))] == [1, 2, 3]
