"""Builds the layers that have weights: convolutions, dense layers and normalisations, in plain TensorFlow operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from label_image.keras_files.activations import activated
from label_image.keras_files.layer import Use
from label_image.keras_files.numbers import channels_last, four, numbers, pair


def _with_bias(use: Use, value: Any, at: int) -> Any:
    if use.config.get("use_bias", True):
        value = use.tf.nn.bias_add(value, use.arrays[at])
    return activated(use.tf, use.config.get("activation"), value, use.keras_3)


def conv(use: Use) -> Any:
    """Conv2D, with any number of groups and dilations."""
    tf, kernel, groups = use.tf, use.arrays[0], int(use.config.get("groups") or 1)
    channels_last(use.config)
    if not 1 <= groups <= use.inputs[0].shape[-1]:
        raise ValueError(f"{groups:,} groups of {use.inputs[0].shape[-1]} channels")
    strides, padding = four(use.config["strides"]), use.config["padding"].upper()
    dilations = pair(use.config.get("dilation_rate", 1))
    if groups == 1:
        value = tf.nn.conv2d(use.inputs[0], kernel, strides, padding, dilations=dilations)
    elif groups == use.inputs[0].shape[-1]:  # ConvNeXt describes a depthwise convolution like this
        rows, columns, _, outputs = kernel.shape
        kernel = tf.reshape(kernel, [rows, columns, groups, outputs // groups])
        value = tf.nn.depthwise_conv2d(use.inputs[0], kernel, strides, padding, dilations=dilations)
    else:  # TensorFlow supports grouped convolutions only on a GPU
        parts = zip(tf.split(use.inputs[0], groups, -1), tf.split(kernel, groups, -1), strict=True)
        value = tf.concat([tf.nn.conv2d(x, k, strides, padding, dilations=dilations) for x, k in parts], -1)
    return _with_bias(use, value, 1)


def depthwise(use: Use) -> Any:
    """DepthwiseConv2D."""
    channels_last(use.config)
    value = use.tf.nn.depthwise_conv2d(
        use.inputs[0], use.arrays[0], four(use.config["strides"]), use.config["padding"].upper(),
        dilations=pair(use.config.get("dilation_rate", 1)),
    )  # fmt: skip
    return _with_bias(use, value, 1)


def separable(use: Use) -> Any:
    """SeparableConv2D: a depthwise convolution, then a pointwise one."""
    channels_last(use.config)
    value = use.tf.nn.separable_conv2d(
        use.inputs[0], use.arrays[0], use.arrays[1], four(use.config["strides"]), use.config["padding"].upper(),
        dilations=pair(use.config.get("dilation_rate", 1)),
    )  # fmt: skip
    return _with_bias(use, value, 2)


def dense(use: Use) -> Any:
    """Dense, on inputs of any rank."""
    tf = use.tf
    flat = use.inputs[0].shape.rank == 2
    value = tf.matmul(use.inputs[0], use.arrays[0]) if flat else tf.tensordot(use.inputs[0], use.arrays[0], [[-1], [0]])
    return _with_bias(use, value, 1)


_FUSED_EPSILON = 1.001e-5  # the smallest that TensorFlow's fused operation accepts


def batch_normalization(use: Use) -> Any:
    """BatchNormalization with the moving statistics of training."""
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


def layer_normalization(use: Use) -> Any:
    """LayerNormalization."""
    tf, x, left = use.tf, use.inputs[0], list(use.arrays)
    gamma = left.pop(0) if use.config.get("scale", True) else None
    beta = left.pop(0) if use.config.get("center", True) else None
    axis = _axes(use.config.get("axis", -1), x.shape.rank)
    if use.config.get("rms_scaling"):
        raise ValueError("rms_scaling is not supported")
    mean, variance = tf.nn.moments(x, axis, keepdims=True)
    if axis != [x.shape.rank - 1]:
        shape = [x.shape[index] if index in axis else 1 for index in range(x.shape.rank)]
        beta, gamma = (None if a is None else tf.reshape(a, shape) for a in (beta, gamma))
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, float(use.config["epsilon"]))


def _axes(axis: Any, rank: int) -> list[int]:
    return sorted(int(index) % rank for index in (axis if isinstance(axis, (list, tuple)) else [axis]))


def normalization(use: Use) -> Any:
    """Normalization: (x - mean) / deviation, with statistics from the config or from the layer's arrays."""
    tf, x = use.tf, use.inputs[0]
    axis = use.config.get("axis", -1)
    kept = [] if axis is None else _axes(axis, x.shape.rank)
    shape = [x.shape[index] if index in kept else 1 for index in range(x.shape.rank)]
    if use.config.get("mean") is not None:
        mean, variance = (np.float32(numbers(use.config[name])) for name in ("mean", "variance"))
        if mean.size == variance.size == 1:  # one number for all channels
            shape = [1] * len(shape)
    else:
        mean, variance = use.arrays[0], use.arrays[1]
    mean, deviation = tf.reshape(mean, shape), tf.maximum(tf.sqrt(tf.reshape(variance, shape)), 1e-7)
    return x * deviation + mean if use.config.get("invert") else (x - mean) / deviation


def prelu(use: Use) -> Any:
    """PReLU."""
    return use.tf.nn.relu(use.inputs[0]) - use.arrays[0] * use.tf.nn.relu(-use.inputs[0])


def layer_scale(use: Use) -> Any:
    """LayerScale."""
    return use.inputs[0] * use.arrays[0]
