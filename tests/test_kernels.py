"""The picture of a first layer: every kernel is in it, from its least number to its largest."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from retrain.report.first_layer import first_kernels, kernels_picture


def picture_of(kernels):
    return np.asarray(Image.open(io.BytesIO(kernels_picture(kernels))))


def test_each_kernel_stands_in_its_place_from_black_to_white():
    kernels = np.zeros((3, 3, 3, 5), np.float32)
    for place in range(5):
        kernels[place % 3, place // 3, :, place] = 1 + place  # one white pixel each
    sheet = picture_of(kernels)
    cell = 33 + 2
    assert sheet.shape == (2 * cell + 2, 3 * cell + 2, 3)
    for place in range(5):
        top, left = 2 + place // 3 * cell, 2 + place % 3 * cell
        shown = sheet[top : top + 33, left : left + 33][5::11, 5::11]
        assert (shown[place % 3, place // 3] == 255).all()
        assert np.count_nonzero(shown) == 3
    assert (sheet[2 + cell :, 2 + 2 * cell :] == 255).all()  # no sixth


def test_colours_stay_colours_and_a_flat_kernel_is_black():
    kernels = np.zeros((11, 11, 3, 2), np.float32)
    kernels[..., 0, 0] = 1
    sheet = picture_of(kernels)
    assert sheet[10, 10].tolist() == [255, 0, 0]
    assert sheet[10, 2 + 35 + 10].tolist() == [0, 0, 0]


def test_grey_kernels_are_found_among_a_networks_arrays():
    arrays = [np.zeros((1, 1, 3, 1), np.float32), np.zeros(4, np.float32), np.zeros((5, 5, 1, 20), np.float32)]
    assert first_kernels(arrays) is arrays[2]
    assert first_kernels(arrays[:2]) is None
    assert picture_of(arrays[2]).shape == (4 * 37 + 2, 5 * 37 + 2, 3)
