"""Builds the network of TensorFlow 2's quick start for beginners: it takes grey pixels and computes 128 features.

It flattens the pixels; 128 units follow, with a dropout of one fifth (Srivastava and others, "Dropout", JMLR 15, 2014).
"""

from __future__ import annotations

from typing import Any

from retrain.networks.build import Form, grey


def features(keras: Any, image: Any, form: Form) -> Any:
    """Computes the features: float32 [n, size, size, 3], 0..1 -> [n, 128]."""
    layers = keras.layers
    drawn = keras.initializers.GlorotUniform(seed=form.next_seed())
    x = layers.Flatten()(grey(keras, image))
    x = layers.Dense(128, form.activation, kernel_initializer=drawn)(x)
    return layers.Dropout(0.2, seed=form.next_seed())(x)
