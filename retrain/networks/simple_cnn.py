"""Builds the improved convolutional network of the first-steps tutorials (Keras' `mnist_cnn` example), with 128 features.

It has convolutions of 32 and 64 maps of 3 x 3, a 2 x 2 max pooling, a dropout of 0.25, 128 units, and a dropout of 0.5.
"""

from __future__ import annotations

from typing import Any

from retrain.networks.build import Form


def features(keras: Any, image: Any, form: Form) -> Any:
    """Computes the features: float32 [n, size, size, 3], 0..1 -> [n, 128]."""
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
