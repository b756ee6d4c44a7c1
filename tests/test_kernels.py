"""The picture of a first layer: every kernel is in it, from its least number to its largest."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from retrain.formats.tflite_model import TfliteModel
from retrain.report.first_layer import first_kernels, kernels_of_tflite, kernels_picture


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


@pytest.mark.parametrize("channels", [3, 4])
def test_kernels_of_a_tflite_are_those_of_its_first_convolution_of_pixels(tmp_path, channels):
    kernels = np.arange(2 * 3 * 3 * channels, dtype=np.float32).reshape(2, 3, 3, channels)
    model = TfliteModel()
    model.graph.inputs = np.array([model.tensor("in", [1, 8, 8, channels])], np.int32)
    constants = [
        model.tensor("kernels", list(kernels.shape), kernels),
        model.tensor("biases", [2], np.zeros(2, np.float32)),
    ]
    out = model.tensor("out", [1, 8, 8, 2])
    model.operator("CONV_2D", [0, *constants], out, model.options("Conv2DOptions", strideW=1, strideH=1))
    model.outputs([out])
    (tmp_path / "m.tflite").write_bytes(model.to_bytes())
    read = kernels_of_tflite(tmp_path / "m.tflite")
    if channels == 3:
        assert np.array_equal(read, kernels.transpose(1, 2, 3, 0))  # height, width, channels, kernels
    else:
        assert read is None
