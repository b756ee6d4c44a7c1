"""The network of the Raspberry Pi tutorial, trained there with PyTorch on MNIST: grey pixels in, 100 features out.

One convolution of 16 maps of 3 x 3 that keeps the size, a maximum over 2 x 2, 100 units.
"""

from __future__ import annotations

from typing import Any

from retrain.networks.build import Form, grey


def features(keras: Any, image: Any, form: Form) -> Any:
    """float32 [n, size, size, 3], 0..1 -> [n, 100]."""
    layers = keras.layers

    def drawn() -> Any:  # PyTorch's default: evenly within one over the root of the inputs
        return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform", seed=form.next_seed())

    x = layers.Conv2D(form.feature_maps or 16, 3, padding="same", kernel_initializer=drawn())(grey(keras, image))
    x = layers.MaxPooling2D(2)(layers.Activation(form.activation)(x))
    return layers.Dense(100, form.activation, kernel_initializer=drawn())(layers.Flatten()(x))
