"""Lists the kinds of layers that image classifiers use: the arrays of each, and how it is computed with TensorFlow operations.

A file selects kinds by name and sets their numbers; no code of the file is called. Layers that matter only in training (dropout,
augmentation) return their input, and regularisers and initialisers are ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from label_image.keras_files import weighted_layers, weightless_layers
from label_image.keras_files.layer import LayerKind


def _convolved(kernels: int) -> Callable[[dict[str, Any]], tuple[bool, ...]]:
    return lambda config: (True,) * (kernels + bool(config.get("use_bias", True)))


def _scaled(config: dict[str, Any]) -> tuple[bool, ...]:
    return (True,) * (bool(config.get("scale", True)) + bool(config.get("center", True)))


def _statistics(config: dict[str, Any]) -> tuple[bool, ...]:
    return () if config.get("mean") is not None else (False, False, False)


_PASSED_ON = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "ActivityRegularization",
    "Identity", "StochasticDepth", "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast",
    "RandomBrightness", "RandomHeight", "RandomWidth", "RandomShear", "RandomHue", "RandomSaturation", "RandomSharpness",
    "RandomGrayscale", "RandomErasing", "RandomInvert", "RandomPosterization", "RandomColorJitter", "RandomColorDegeneration",
    "RandomGaussianBlur", "RandomPerspective", "RandomElasticTransform", "RandAugment", "AugMix",
)  # fmt: skip

KINDS: dict[str, LayerKind] = {
    "InputLayer": LayerKind(weightless_layers.same),  # the inputs of the whole network are placeholders instead
    **{name: LayerKind(weightless_layers.same) for name in _PASSED_ON},
    **{name: LayerKind(weightless_layers.named_activation(name)) for name in ("ReLU", "LeakyReLU", "ELU", "Softmax")},
    "Conv2D": LayerKind(weighted_layers.conv, _convolved(1)),
    "DepthwiseConv2D": LayerKind(weighted_layers.depthwise, _convolved(1)),
    "SeparableConv2D": LayerKind(weighted_layers.separable, _convolved(2)),
    "Dense": LayerKind(weighted_layers.dense, _convolved(1)),
    "BatchNormalization": LayerKind(
        weighted_layers.batch_normalization, lambda config: (*_scaled(config), False, False)
    ),
    "SyncBatchNormalization": LayerKind(
        weighted_layers.batch_normalization, lambda config: (*_scaled(config), False, False)
    ),
    "LayerNormalization": LayerKind(weighted_layers.layer_normalization, _scaled),
    "Normalization": LayerKind(weighted_layers.normalization, _statistics),
    "Rescaling": LayerKind(weightless_layers.rescaling),
    "Activation": LayerKind(weightless_layers.activation),
    "PReLU": LayerKind(weighted_layers.prelu, lambda _: (True,)),
    "LayerScale": LayerKind(weighted_layers.layer_scale, lambda _: (True,)),
    "MaxPooling2D": LayerKind(weightless_layers.pooling("max_pool2d")),
    "AveragePooling2D": LayerKind(weightless_layers.pooling("avg_pool2d")),
    "GlobalMaxPooling2D": LayerKind(weightless_layers.global_pooling("reduce_max")),
    "GlobalAveragePooling2D": LayerKind(weightless_layers.global_pooling("reduce_mean")),
    "Flatten": LayerKind(weightless_layers.flatten),
    "Reshape": LayerKind(weightless_layers.reshape),
    "Permute": LayerKind(weightless_layers.permute),
    "ZeroPadding2D": LayerKind(weightless_layers.zero_padding),
    "Cropping2D": LayerKind(weightless_layers.cropping),
    "UpSampling2D": LayerKind(weightless_layers.up_sampling),
    "Resizing": LayerKind(weightless_layers.resizing),
    "CenterCrop": LayerKind(weightless_layers.centre_crop),
    "RandomCrop": LayerKind(weightless_layers.centre_crop),
    "Add": LayerKind(weightless_layers.merged("add")),
    "Subtract": LayerKind(weightless_layers.merged("subtract")),
    "Multiply": LayerKind(weightless_layers.merged("multiply")),
    "Maximum": LayerKind(weightless_layers.merged("maximum")),
    "Minimum": LayerKind(weightless_layers.merged("minimum")),
    # Keras's own layer in its InceptionResNetV2, which Keras 2 saves like a user's layer.
    **dict.fromkeys(("CustomScaleLayer", "Custom>CustomScaleLayer"), LayerKind(weightless_layers.scaled_sum)),
    "Average": LayerKind(weightless_layers.average),
    "Concatenate": LayerKind(weightless_layers.concatenate),
}
