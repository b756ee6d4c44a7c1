"""Builds a small network by name, as a Keras model with random weights drawn from a seed; the caller passes in Keras.

Networks for grey pictures also take colour pixels and convert them inside, with the weights that Pillow uses. So all exports
take the same input, and no device can convert it differently.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FILES = {  # architecture -> (file, depth of the paper's n-layer networks)
    "lenet": ("lenet", 0),
    "mlp": ("mlp", 0),
    "simple_cnn": ("simple_cnn", 0),
    "pytorch_mnist": ("pytorch_mnist", 0),
    "alexnet": ("alexnet", 0),
    "resnet20": ("resnet", 20),
    "resnet32": ("resnet", 32),
    "resnet56": ("resnet", 56),
}
GREY = ("lenet", "mlp", "pytorch_mnist")  # networks that do not use colour
# ITU-R 601-2, as in Pillow's convert("L").
_LUMA = np.array([19595, 38470, 7471], np.float32) / 65536


@dataclass
class Form:
    """The options of a network that its tutorial varies."""

    activation: str = "relu"  # of the hidden units
    feature_maps: int = 0  # of the first convolution; 0 stands for the network's default
    batch_norm: bool = False
    depth: int = 0  # number of layers with weights
    seed: int = 0
    _drawn: int = field(default=0, repr=False)

    def next_seed(self) -> int:
        """Returns a new seed for the next layer, because equal seeds would give equal weights."""
        self._drawn += 1
        return int(np.random.SeedSequence([self.seed, self._drawn]).generate_state(1)[0])


def build(keras: Any, name: str, size_px: int, form: Form) -> Any:
    """Builds a keras.Model: float32 [n, size_px, size_px, 3], scaled -> [n, width]; weights depend on the form's seed."""
    file, form.depth = FILES[name]
    image = keras.Input((size_px, size_px, 3), name="input")
    module = importlib.import_module(f"retrain.networks.{file}")
    return keras.Model(image, module.features(keras, image, form))


def grey(keras: Any, image: Any) -> Any:
    """Converts colour to grey by a convolution that is never trained: [n, height, width, 3] -> [n, height, width, 1]."""
    layer = keras.layers.Conv2D(
        1, 1, use_bias=False, trainable=False, name="grey", kernel_initializer=keras.initializers.Constant(0)
    )
    made = layer(image)
    layer.set_weights([_LUMA.reshape(1, 1, 3, 1)])
    return made
