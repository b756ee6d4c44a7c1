"""Builds LeNet as in Caffe's MNIST tutorial: it takes grey pixels and computes 500 features.

Paper: LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition" (Proc. IEEE 86, 1998).
Caffe's form (`examples/mnist/lenet_train_test.prototxt`): 20 and 50 maps of 5 x 5 without padding, each followed by 2 x 2 max
pooling, then 500 units, the only ones with an activation; weights are initialised like Caffe's "xavier" filler.
"""

from __future__ import annotations

from typing import Any

from retrain.networks.build import Form, grey


def features(keras: Any, image: Any, form: Form) -> Any:
    """Computes the features: float32 [n, size, size, 3], 0..1 -> [n, 500]."""
    layers = keras.layers

    def xavier() -> Any:  # as in Caffe: uniform within plus or minus the square root of 3 / inputs
        return keras.initializers.VarianceScaling(1.0, "fan_in", "uniform", seed=form.next_seed())

    x = grey(keras, image)
    for maps in (form.feature_maps or 20, 50):
        x = layers.Conv2D(maps, 5, kernel_initializer=xavier())(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    return layers.Dense(500, form.activation, kernel_initializer=xavier())(x)
