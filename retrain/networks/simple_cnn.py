"""The improved convolutional network of the first-steps tutorials (Keras' `mnist_cnn` example): pixels in, 128 features out.

Convolutions of 32 and 64 maps of 3 x 3, a maximum over 2 x 2, a quarter left out, 128 units, half of them left out.
"""

from __future__ import annotations

from typing import Any

from retrain.networks.build import Form


def features(keras: Any, image: Any, form: Form) -> Any:
    """float32 [n, size, size, 3], 0..1 -> [n, 128]."""
    layers = keras.layers

    def drawn() -> Any:
        return keras.initializers.GlorotUniform(seed=form.next_seed())

    x = image
    for maps in (form.feature_maps or 32, 64):
        x = layers.Conv2D(maps, 3, kernel_initializer=drawn())(x)
        x = layers.Activation(form.activation)(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Dropout(0.25, seed=form.next_seed())(x)
    x = layers.Dense(128, form.activation, kernel_initializer=drawn())(layers.Flatten()(x))
    return layers.Dropout(0.5, seed=form.next_seed())(x)
