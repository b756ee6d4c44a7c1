"""Adds batch normalisation again to a network whose normalisation was folded into its convolutions.

The published MobileNets are such networks. Normalisation by the statistics of each batch (`--frozen_batch_norm=false`) needs initial
means and variances: they are measured on some training photos, and scale and shift are set so that the features stay the same.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from label_image.quiet import tensorflow
from retrain.backbones.network_keras import keras_on_tensorflow, to_keras
from retrain.backbones.network_layers import Conv, LayeredNetwork, Norm

_EPSILON = 1e-3
_AT_ONCE = 16  # photos in a batch


def renormed(network: LayeredNetwork, images: npt.NDArray[np.float32]) -> LayeredNetwork:
    """Returns the network with separate normalisation; its features stay the same except for rounding.

    Args:
      network: any network; its classifier is kept.
      images: float32 [n, size_px, size_px, 3], scaled as the network requires; at least one.
    """
    tf = tensorflow()
    model = to_keras(network)
    convolutions = [layer for layer in network.layers if isinstance(layer, Conv)]
    places = [model.get_layer(layer.name.replace(".", "_")).output for layer in convolutions]
    probe = keras_on_tensorflow().Model(model.input, places)

    def moments(batch: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float64]]:
        """Computes float64 [2, channels] for each convolution: sums over photos of the means and of the mean squares."""
        outputs = tf.nest.flatten(probe(tf.constant(batch), training=False))
        pairs = [[tf.reduce_mean(one, [1, 2]), tf.reduce_mean(tf.square(one), [1, 2])] for one in outputs]
        return [np.array([one.numpy().sum(axis=0, dtype=np.float64) for one in pair]) for pair in pairs]

    batches = [moments(images[at : at + _AT_ONCE]) for at in range(0, len(images), _AT_ONCE)]
    now = {}
    for layer, sums in zip(convolutions, zip(*batches, strict=True), strict=True):
        mean, square = sum(sums) / len(images)
        now[layer.name] = dataclasses.replace(layer, norm=_norm(layer.norm, mean, np.maximum(square - mean**2, 0)))
    return dataclasses.replace(network, layers=tuple(now.get(layer.name, layer) for layer in network.layers))


def _norm(old: Norm, mean: npt.NDArray[np.float64], variance: npt.NDArray[np.float64]) -> Norm:
    """Returns a normalisation with these statistics that has the same effect as the old one."""
    scale = old.gamma / np.sqrt(old.variance.astype(np.float64) + old.epsilon)
    gamma = scale * np.sqrt(variance + _EPSILON)
    beta = old.beta + (mean - old.mean) * scale
    one, two, three, four = (values.astype(np.float32) for values in (gamma, beta, mean, variance))
    return Norm(one, two, three, four, _EPSILON)
