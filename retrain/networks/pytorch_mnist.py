"""Builds the network that the Raspberry Pi tutorial trained on MNIST with PyTorch: grey pixels, 100 features.

It has one convolution of 16 maps of 3 x 3 that keeps the size, a 2 x 2 max pooling, and 100 units.
"""

from __future__ import annotations

from typing import Any

from retrain.networks.build import Form, grey


def features(keras: Any, image: Any, form: Form) -> Any:
    """Computes the features: float32 [n, size, size, 3], 0..1 -> [n, 100]."""
    layers = keras.layers

    def drawn() -> Any:  # PyTorch's default: uniform within plus or minus 1 / the square root of the inputs
        return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform", seed=form.next_seed())

    x = layers.Conv2D(form.feature_maps or 16, 3, padding="same", kernel_initializer=drawn())(grey(keras, image))
    x = layers.MaxPooling2D(2)(layers.Activation(form.activation)(x))
    return layers.Dense(100, form.activation, kernel_initializer=drawn())(layers.Flatten()(x))
