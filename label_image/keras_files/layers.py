"""The table of layer kinds that image classifiers use: what arrays each has, and how it is computed in plain TensorFlow operations.

A kind is a row. The file's words choose rows and fill numbers in; nothing of the file is called. What only matters in training
(dropout, augmentation, regularisers, initialisers) passes on what it gets, or is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from label_image.keras_files.activations import activated
from label_image.keras_files.numbers import channels_last, four, numbers, pair, pairs


@dataclass(frozen=True)
class Use:
    """One use of a layer: what a row builds from."""

    tf: Any
    keras_3: bool  # some words changed their meaning with Keras 3
    config: dict[str, Any]
    arrays: list[Any]  # the layer's own, as constants
    inputs: list[Any]  # tensors


Build = Callable[[Use], Any]


@dataclass(frozen=True)
class Kind:
    """A row.

    Args:
      build: a use -> its output.
      arrays: config -> one True for each array that is trained, one False for each that is not, in Keras's order.
    """

    build: Build
    arrays: Callable[[dict[str, Any]], tuple[bool, ...]] = lambda _: ()


def _same(use: Use) -> Any:
    return use.tf.identity(use.inputs[0])


def _with_bias(use: Use, value: Any, at: int) -> Any:
    if use.config.get("use_bias", True):
        value = use.tf.nn.bias_add(value, use.arrays[at])
    return activated(use.tf, use.config.get("activation"), value, use.keras_3)


def _conv(use: Use) -> Any:
    tf, kernel, groups = use.tf, use.arrays[0], int(use.config.get("groups") or 1)
    channels_last(use.config)
    if not 1 <= groups <= use.inputs[0].shape[-1]:
        raise ValueError(f"{groups:,} groups of {use.inputs[0].shape[-1]} channels")
    strides, padding = four(use.config["strides"]), use.config["padding"].upper()
    dilations = pair(use.config.get("dilation_rate", 1))
    if groups == 1:
        value = tf.nn.conv2d(use.inputs[0], kernel, strides, padding, dilations=dilations)
    elif groups == use.inputs[0].shape[-1]:  # as ConvNeXt writes a depthwise convolution
        rows, columns, _, outputs = kernel.shape
        kernel = tf.reshape(kernel, [rows, columns, groups, outputs // groups])
        value = tf.nn.depthwise_conv2d(use.inputs[0], kernel, strides, padding, dilations=dilations)
    else:  # TensorFlow computes grouped convolutions on a GPU only
        parts = zip(tf.split(use.inputs[0], groups, -1), tf.split(kernel, groups, -1), strict=True)
        value = tf.concat([tf.nn.conv2d(x, k, strides, padding, dilations=dilations) for x, k in parts], -1)
    return _with_bias(use, value, 1)


def _depthwise(use: Use) -> Any:
    channels_last(use.config)
    value = use.tf.nn.depthwise_conv2d(
        use.inputs[0], use.arrays[0], four(use.config["strides"]), use.config["padding"].upper(),
        dilations=pair(use.config.get("dilation_rate", 1)),
    )  # fmt: skip
    return _with_bias(use, value, 1)


def _separable(use: Use) -> Any:
    channels_last(use.config)
    value = use.tf.nn.separable_conv2d(
        use.inputs[0], use.arrays[0], use.arrays[1], four(use.config["strides"]), use.config["padding"].upper(),
        dilations=pair(use.config.get("dilation_rate", 1)),
    )  # fmt: skip
    return _with_bias(use, value, 2)


def _dense(use: Use) -> Any:
    tf = use.tf
    flat = use.inputs[0].shape.rank == 2
    value = tf.matmul(use.inputs[0], use.arrays[0]) if flat else tf.tensordot(use.inputs[0], use.arrays[0], [[-1], [0]])
    return _with_bias(use, value, 1)


_FUSED_EPSILON = 1.001e-5  # TensorFlow's fused operation takes no smaller one


def _batch_normalization(use: Use) -> Any:
    tf, x, left = use.tf, use.inputs[0], list(use.arrays)
    gamma = left.pop(0) if use.config.get("scale", True) else None
    beta = left.pop(0) if use.config.get("center", True) else None
    mean, variance = left
    epsilon, rank = float(use.config["epsilon"]), x.shape.rank
    axis = _axes(use.config.get("axis", -1), rank)
    if rank == 4 and axis == [3] and epsilon >= _FUSED_EPSILON:
        gamma = tf.ones_like(mean) if gamma is None else gamma
        beta = tf.zeros_like(mean) if beta is None else beta
        value, *_ = tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, mean, variance, epsilon, is_training=False)
        return value
    shape = [-1 if index in axis else 1 for index in range(rank)]
    mean, variance, beta, gamma = (None if a is None else tf.reshape(a, shape) for a in (mean, variance, beta, gamma))
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, epsilon)


def _layer_normalization(use: Use) -> Any:
    tf, x, left = use.tf, use.inputs[0], list(use.arrays)
    gamma = left.pop(0) if use.config.get("scale", True) else None
    beta = left.pop(0) if use.config.get("center", True) else None
    axis = _axes(use.config.get("axis", -1), x.shape.rank)
    if use.config.get("rms_scaling"):
        raise ValueError("rms_scaling is not read here")
    mean, variance = tf.nn.moments(x, axis, keepdims=True)
    if axis != [x.shape.rank - 1]:
        shape = [x.shape[index] if index in axis else 1 for index in range(x.shape.rank)]
        beta, gamma = (None if a is None else tf.reshape(a, shape) for a in (beta, gamma))
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, float(use.config["epsilon"]))


def _axes(axis: Any, rank: int) -> list[int]:
    return sorted(int(index) % rank for index in (axis if isinstance(axis, (list, tuple)) else [axis]))


def _scaled(config: dict[str, Any]) -> tuple[bool, ...]:
    return (True,) * (bool(config.get("scale", True)) + bool(config.get("center", True)))


def _normalization(use: Use) -> Any:
    tf, x = use.tf, use.inputs[0]
    axis = use.config.get("axis", -1)
    kept = [] if axis is None else _axes(axis, x.shape.rank)
    shape = [x.shape[index] if index in kept else 1 for index in range(x.shape.rank)]
    if use.config.get("mean") is not None:
        mean, variance = (np.float32(numbers(use.config[name])) for name in ("mean", "variance"))
        if mean.size == variance.size == 1:  # one for all channels
            shape = [1] * len(shape)
    else:
        mean, variance = use.arrays[0], use.arrays[1]
    mean, deviation = tf.reshape(mean, shape), tf.maximum(tf.sqrt(tf.reshape(variance, shape)), 1e-7)
    return x * deviation + mean if use.config.get("invert") else (x - mean) / deviation


def _rescaling(use: Use) -> Any:
    scale, offset = np.float32(numbers(use.config["scale"])), np.float32(numbers(use.config.get("offset", 0.0)))
    return use.inputs[0] * scale + offset


def _activation(use: Use) -> Any:
    return activated(use.tf, use.config["activation"], use.inputs[0], use.keras_3)


def _named_activation(kind: str) -> Build:
    return lambda use: activated(use.tf, {"class_name": kind, "config": use.config}, use.inputs[0], use.keras_3)


def _prelu(use: Use) -> Any:
    return use.tf.nn.relu(use.inputs[0]) - use.arrays[0] * use.tf.nn.relu(-use.inputs[0])


def _pooling(name: str) -> Build:
    def build(use: Use) -> Any:
        channels_last(use.config)
        size, strides = pair(use.config["pool_size"]), pair(use.config.get("strides") or use.config["pool_size"])
        return getattr(use.tf.nn, name)(use.inputs[0], size, strides, use.config["padding"].upper())

    return build


def _global_pooling(name: str) -> Build:
    def build(use: Use) -> Any:
        channels_last(use.config)
        return getattr(use.tf, name)(use.inputs[0], [1, 2], keepdims=bool(use.config.get("keepdims")))

    return build


def _flatten(use: Use) -> Any:
    channels_last(use.config)
    sizes = use.inputs[0].shape[1:]
    return use.tf.reshape(use.inputs[0], [-1, int(np.prod(sizes, dtype=np.int64))])


def _reshape(use: Use) -> Any:
    tf, x = use.tf, use.inputs[0]
    target = [int(size) for size in use.config["target_shape"]]
    if -1 not in target:
        return tf.reshape(x, [-1, *target])
    known = int(np.prod(x.shape[1:], dtype=np.int64))
    rest = -int(np.prod(target, dtype=np.int64))
    return tf.reshape(x, [-1, *(known // rest if size == -1 else size for size in target)])


def _permute(use: Use) -> Any:
    return use.tf.transpose(use.inputs[0], [0, *(int(index) for index in use.config["dims"])])


def _zero_padding(use: Use) -> Any:
    channels_last(use.config)
    return use.tf.pad(use.inputs[0], [(0, 0), *pairs(use.config["padding"]), (0, 0)])


def _cropping(use: Use) -> Any:
    channels_last(use.config)
    (top, bottom), (left, right) = pairs(use.config["cropping"])
    _, height, width, _ = use.inputs[0].shape
    return use.inputs[0][:, top : height - bottom, left : width - right, :]


def _up_sampling(use: Use) -> Any:
    channels_last(use.config)
    _, height, width, _ = use.inputs[0].shape
    rows, columns = pair(use.config["size"])
    return _resized(use.tf, use.inputs[0], height * rows, width * columns, use.config.get("interpolation", "nearest"))


def _resizing(use: Use) -> Any:
    if use.config.get("crop_to_aspect_ratio") or use.config.get("pad_to_aspect_ratio") or use.config.get("antialias"):
        raise ValueError("a Resizing that crops, pads or smooths is not read here")
    return _resized(
        use.tf, use.inputs[0], use.config["height"], use.config["width"], use.config.get("interpolation", "bilinear")
    )


def _resized(tf: Any, x: Any, height: int, width: int, how: str) -> Any:
    if how not in ("nearest", "bilinear"):
        raise ValueError(f"resizing in the way {how!r} is not read here")
    return tf.image.resize(x, (int(height), int(width)), how)


def _centre_crop(use: Use) -> Any:
    _, height, width, _ = use.inputs[0].shape
    rows, columns = int(use.config["height"]), int(use.config["width"])
    if height < rows or width < columns:
        raise ValueError("a crop larger than the picture is not read here")
    top, left = (height - rows) // 2, (width - columns) // 2
    return use.inputs[0][:, top : top + rows, left : left + columns, :]


def _merged(name: str) -> Build:
    def build(use: Use) -> Any:
        value = use.inputs[0]
        for other in use.inputs[1:]:
            value = getattr(use.tf, name)(value, other)
        return value

    return build


def _average(use: Use) -> Any:
    return use.tf.add_n(use.inputs) / float(len(use.inputs))


def _concatenate(use: Use) -> Any:
    return use.tf.concat(
        [x for x in use.inputs if getattr(x, "shape", None) is not None], int(use.config.get("axis", -1))
    )


def _layer_scale(use: Use) -> Any:
    return use.inputs[0] * use.arrays[0]


def _scaled_sum(use: Use) -> Any:
    return use.inputs[0] + use.inputs[1] * float(use.config["scale"])


def _convolved(kernels: int) -> Callable[[dict[str, Any]], tuple[bool, ...]]:
    return lambda config: (True,) * (kernels + bool(config.get("use_bias", True)))


def _statistics(config: dict[str, Any]) -> tuple[bool, ...]:
    return () if config.get("mean") is not None else (False, False, False)


_PASSED_ON = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization",
    "Identity", "StochasticDepth", "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast",
    "RandomBrightness", "RandomHeight", "RandomWidth", "RandomShear", "RandomHue", "RandomSaturation", "RandomSharpness",
    "RandomGrayscale", "RandomErasing", "RandomInvert", "RandomPosterization", "RandomColorJitter", "RandomColorDegeneration",
    "RandomGaussianBlur", "RandomPerspective", "RandomElasticTransform", "RandAugment", "AugMix",
)  # fmt: skip

KINDS: dict[str, Kind] = {
    "InputLayer": Kind(_same),  # those that are the network's ends are placeholders
    **{name: Kind(_same) for name in _PASSED_ON},
    **{name: Kind(_named_activation(name)) for name in ("ReLU", "LeakyReLU", "ELU", "Softmax")},
    "Conv2D": Kind(_conv, _convolved(1)),
    "DepthwiseConv2D": Kind(_depthwise, _convolved(1)),
    "SeparableConv2D": Kind(_separable, _convolved(2)),
    "Dense": Kind(_dense, _convolved(1)),
    "BatchNormalization": Kind(_batch_normalization, lambda config: (*_scaled(config), False, False)),
    "SyncBatchNormalization": Kind(_batch_normalization, lambda config: (*_scaled(config), False, False)),
    "LayerNormalization": Kind(_layer_normalization, _scaled),
    "Normalization": Kind(_normalization, _statistics),
    "Rescaling": Kind(_rescaling),
    "Activation": Kind(_activation),
    "PReLU": Kind(_prelu, lambda _: (True,)),
    "LayerScale": Kind(_layer_scale, lambda _: (True,)),
    "MaxPooling2D": Kind(_pooling("max_pool2d")),
    "AveragePooling2D": Kind(_pooling("avg_pool2d")),
    "GlobalMaxPooling2D": Kind(_global_pooling("reduce_max")),
    "GlobalAveragePooling2D": Kind(_global_pooling("reduce_mean")),
    "Flatten": Kind(_flatten),
    "Reshape": Kind(_reshape),
    "Permute": Kind(_permute),
    "ZeroPadding2D": Kind(_zero_padding),
    "Cropping2D": Kind(_cropping),
    "UpSampling2D": Kind(_up_sampling),
    "Resizing": Kind(_resizing),
    "CenterCrop": Kind(_centre_crop),
    "RandomCrop": Kind(_centre_crop),
    "Add": Kind(_merged("add")),
    "Subtract": Kind(_merged("subtract")),
    "Multiply": Kind(_merged("multiply")),
    "Maximum": Kind(_merged("maximum")),
    "Minimum": Kind(_merged("minimum")),
    # Keras's own, in its InceptionResNetV2; Keras 2 writes it as if it were its user's.
    **dict.fromkeys(("CustomScaleLayer", "Custom>CustomScaleLayer"), Kind(_scaled_sum)),
    "Average": Kind(_average),
    "Concatenate": Kind(_concatenate),
}
