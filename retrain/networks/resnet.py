"""Builds the residual networks for CIFAR-10 with 20, 32 or 56 layers, which compute 64 features.

Paper: He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), section 4.2: 3 stages of
(depth - 2) / 6 blocks with 16, 32 and 64 maps; a shortcut between stages takes every second pixel and adds channels of zeros (the
paper's option A); weights are initialised as in arXiv 1502.01852.
"""

from __future__ import annotations

from typing import Any

from retrain.networks.build import Form
from retrain.networks.norm import batch_normalisation

# The momentum of the running mean and variance: with Keras' default, 0.99, they are not usable for hundreds of steps.
_MOVING = 0.9


def features(keras: Any, image: Any, form: Form) -> Any:
    """Computes the features: float32 [n, size, size, 3], -1..1 -> [n, 64]."""
    layers = keras.layers

    def conv(x: Any, maps: int, stride: int, name: str) -> Any:
        drawn = keras.initializers.HeNormal(seed=form.next_seed())
        x = layers.Conv2D(
            maps, 3, stride, "same", use_bias=not form.batch_norm, kernel_initializer=drawn, name=f"{name}_conv"
        )(x)
        return batch_normalisation(keras, momentum=_MOVING, name=f"{name}_norm")(x) if form.batch_norm else x

    width = form.feature_maps or 16
    x = layers.Activation(form.activation)(conv(image, width, 1, "stem"))
    for stage in range(3):
        maps = width << stage
        for block in range((form.depth - 2) // 6):
            stride = 2 if stage and not block else 1
            name = f"block{stage + 1}{chr(ord('a') + block)}"
            inner = layers.Activation(form.activation)(conv(x, maps, stride, f"{name}_first"))
            inner = conv(inner, maps, 1, f"{name}_second")
            short = _widened(keras, x, maps) if stride == 2 else x
            x = layers.Activation(form.activation)(layers.Add(name=f"{name}_add")([inner, short]))
    return layers.GlobalAveragePooling2D()(x)


def _widened(keras: Any, x: Any, maps: int) -> Any:
    """Takes every second pixel, and adds channels of zeros on both sides."""
    zeros = (maps - x.shape[-1]) // 2
    every_second = keras.layers.AveragePooling2D(1, 2)(x)
    return keras.ops.pad(every_second, ((0, 0), (0, 0), (0, 0), (zeros, maps - x.shape[-1] - zeros)))
