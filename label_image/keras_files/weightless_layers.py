"""Builds the layers that have no weights: activations, pooling, reshaping, resizing and sums, in plain TensorFlow operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from label_image.keras_files.activations import activated
from label_image.keras_files.layer import Build, Use
from label_image.keras_files.numbers import channels_last, numbers, pair, pairs


def same(use: Use) -> Any:
    """Returns the input: for layers that only matter in training."""
    return use.tf.identity(use.inputs[0])


def rescaling(use: Use) -> Any:
    """Rescaling: x * scale + offset."""
    scale, offset = np.float32(numbers(use.config["scale"])), np.float32(numbers(use.config.get("offset", 0.0)))
    return use.inputs[0] * scale + offset


def activation(use: Use) -> Any:
    """Activation, whose function is looked up by its name."""
    return activated(use.tf, use.config["activation"], use.inputs[0], use.keras_3)


def named_activation(kind: str) -> Build:
    """Makes the builder of a layer that is an activation, such as ReLU."""
    return lambda use: activated(use.tf, {"class_name": kind, "config": use.config}, use.inputs[0], use.keras_3)


def pooling(name: str) -> Build:
    """Makes the builder of a pooling layer from the name of a function in tf.nn."""

    def build(use: Use) -> Any:
        channels_last(use.config)
        size, strides = pair(use.config["pool_size"]), pair(use.config.get("strides") or use.config["pool_size"])
        return getattr(use.tf.nn, name)(use.inputs[0], size, strides, use.config["padding"].upper())

    return build


def global_pooling(name: str) -> Build:
    """Makes the builder of a global pooling layer from the name of a reduction in tf."""

    def build(use: Use) -> Any:
        channels_last(use.config)
        return getattr(use.tf, name)(use.inputs[0], [1, 2], keepdims=bool(use.config.get("keepdims")))

    return build


def flatten(use: Use) -> Any:
    """Flatten."""
    channels_last(use.config)
    sizes = use.inputs[0].shape[1:]
    return use.tf.reshape(use.inputs[0], [-1, int(np.prod(sizes, dtype=np.int64))])


def reshape(use: Use) -> Any:
    """Reshape; one size may be -1."""
    tf, x = use.tf, use.inputs[0]
    target = [int(size) for size in use.config["target_shape"]]
    if -1 not in target:
        return tf.reshape(x, [-1, *target])
    known = int(np.prod(x.shape[1:], dtype=np.int64))
    rest = -int(np.prod(target, dtype=np.int64))
    return tf.reshape(x, [-1, *(known // rest if size == -1 else size for size in target)])


def permute(use: Use) -> Any:
    """Permute."""
    return use.tf.transpose(use.inputs[0], [0, *(int(index) for index in use.config["dims"])])


def zero_padding(use: Use) -> Any:
    """ZeroPadding2D."""
    channels_last(use.config)
    return use.tf.pad(use.inputs[0], [(0, 0), *pairs(use.config["padding"]), (0, 0)])


def cropping(use: Use) -> Any:
    """Cropping2D."""
    channels_last(use.config)
    (top, bottom), (left, right) = pairs(use.config["cropping"])
    _, height, width, _ = use.inputs[0].shape
    return use.inputs[0][:, top : height - bottom, left : width - right, :]


def up_sampling(use: Use) -> Any:
    """UpSampling2D."""
    channels_last(use.config)
    _, height, width, _ = use.inputs[0].shape
    rows, columns = pair(use.config["size"])
    return _resized(use.tf, use.inputs[0], height * rows, width * columns, use.config.get("interpolation", "nearest"))


def resizing(use: Use) -> Any:
    """Resizing, without crop, padding or antialiasing."""
    if use.config.get("crop_to_aspect_ratio") or use.config.get("pad_to_aspect_ratio") or use.config.get("antialias"):
        raise ValueError("a Resizing that crops, pads or smooths is not supported")
    return _resized(
        use.tf, use.inputs[0], use.config["height"], use.config["width"], use.config.get("interpolation", "bilinear")
    )


def _resized(tf: Any, x: Any, height: int, width: int, how: str) -> Any:
    if how not in ("nearest", "bilinear"):
        raise ValueError(f"resizing by {how!r} is not supported")
    return tf.image.resize(x, (int(height), int(width)), how)


def centre_crop(use: Use) -> Any:
    """CenterCrop, and RandomCrop outside training."""
    _, height, width, _ = use.inputs[0].shape
    rows, columns = int(use.config["height"]), int(use.config["width"])
    if height < rows or width < columns:
        raise ValueError("a crop larger than the image is not supported")
    top, left = (height - rows) // 2, (width - columns) // 2
    return use.inputs[0][:, top : top + rows, left : left + columns, :]


def merged(name: str) -> Build:
    """Makes the builder of a layer that combines its inputs with a binary function of tf."""

    def build(use: Use) -> Any:
        value = use.inputs[0]
        for other in use.inputs[1:]:
            value = getattr(use.tf, name)(value, other)
        return value

    return build


def average(use: Use) -> Any:
    """Average of the inputs."""
    return use.tf.add_n(use.inputs) / float(len(use.inputs))


def concatenate(use: Use) -> Any:
    """Concatenate."""
    return use.tf.concat(
        [x for x in use.inputs if getattr(x, "shape", None) is not None], int(use.config.get("axis", -1))
    )


def scaled_sum(use: Use) -> Any:
    """First input plus a multiple of the second."""
    return use.inputs[0] + use.inputs[1] * float(use.config["scale"])
