"""Builds AlexNet in its second form, which computes 4,096 features.

Paper: Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (arXiv 1404.5997, 2014), in the form of
TF-Slim's `alexnet_v2`: no normalisation; dropout of one half on the two wide layers, whose weights are initialised from a
normal distribution with standard deviation 0.005, and biases with 0.1.
"""

from __future__ import annotations

from typing import Any

from retrain.networks.build import Form

_CONVOLUTIONS = (  # maps, kernel, stride, padding, whether a 3 x 3 max pooling follows
    (64, 11, 4, "valid", True),
    (192, 5, 1, "same", True),
    (384, 3, 1, "same", False),
    (384, 3, 1, "same", False),
    (256, 3, 1, "same", True),
)


def features(keras: Any, image: Any, form: Form) -> Any:
    """Computes the features: float32 [n, 224, 224, 3], -1..1 -> [n, 4096]."""
    layers, initializers = keras.layers, keras.initializers
    x = image
    for place, (maps, kernel, stride, padding, pooled) in enumerate(_CONVOLUTIONS):
        x = layers.Conv2D(
            form.feature_maps or maps if place == 0 else maps, kernel, stride, padding, name=f"conv{place + 1}",
            kernel_initializer=initializers.GlorotUniform(seed=form.next_seed()),
            bias_initializer=initializers.Constant(0.1 if place else 0),
        )(x)  # fmt: skip
        x = layers.Activation(form.activation)(x)
        x = layers.MaxPooling2D(3, 2)(x) if pooled else x
    x = layers.Flatten()(x)
    for name in ("fc6", "fc7"):
        drawn = initializers.TruncatedNormal(stddev=0.005, seed=form.next_seed())
        ones = initializers.Constant(0.1)
        x = layers.Dense(4096, form.activation, kernel_initializer=drawn, bias_initializer=ones, name=name)(x)
        x = layers.Dropout(0.5, seed=form.next_seed())(x)
    return x
