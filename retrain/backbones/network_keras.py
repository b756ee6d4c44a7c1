"""Converts a network of our own layers to a Keras model with separate batch normalisation, which can be trained further."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from label_image.quiet import tensorflow
from retrain.backbones.network_layers import FEATURES, INPUT, Conv, LayeredNetwork, Norm
from retrain.networks.norm import batch_normalisation


def keras_on_tensorflow() -> Any:
    """Imports Keras with TensorFlow as its backend, whatever ~/.keras/keras.json or KERAS_BACKEND contain."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    tensorflow()
    import keras

    return keras


def to_keras(network: LayeredNetwork) -> Any:
    """Makes a keras.Model: float32 [n, size, size, 3], scaled -> float32 [n, width]."""
    keras = keras_on_tensorflow()
    image = keras.Input((network.size_px, network.size_px, 3), name=INPUT)
    outputs: dict[str, Any] = {INPUT: image}
    weights: list[tuple[Any, list[Any]]] = []
    for layer in network.layers:
        name = layer.name.replace(".", "_")
        if isinstance(layer, Conv):
            outputs[layer.name] = _conv(keras, layer, name, outputs[layer.source], weights)
        else:
            outputs[layer.name] = keras.layers.Add(name=name)([outputs[layer.first], outputs[layer.second]])
    features = keras.layers.GlobalAveragePooling2D(name=FEATURES)(outputs[network.layers[-1].name])
    model = keras.Model(image, features)
    for layer, values in weights:
        layer.set_weights(values)
    return model


def from_keras(model: Any, network: LayeredNetwork) -> LayeredNetwork:
    """Converts a model of `to_keras`, with its current weights, back to our layers, without the original classifier."""

    def now(layer: Conv) -> Conv:
        name = layer.name.replace(".", "_")
        norm = model.get_layer(f"{name}_norm")
        gamma, beta, mean, variance = norm.get_weights()
        (kernel,) = model.get_layer(name).get_weights()
        return dataclasses.replace(layer, kernel=kernel, norm=Norm(gamma, beta, mean, variance, float(norm.epsilon)))

    layers = tuple(now(layer) if isinstance(layer, Conv) else layer for layer in network.layers)
    return dataclasses.replace(network, layers=layers, classifier=None)


def _conv(keras: Any, layer: Conv, name: str, source: Any, weights: list[tuple[Any, list[Any]]]) -> Any:
    layers, size = keras.layers, layer.kernel.shape[:2]
    if layer.depthwise:
        conv = layers.DepthwiseConv2D(size, layer.stride, "same", use_bias=False, name=name)
    else:
        conv = layers.Conv2D(layer.channels, size, layer.stride, "same", use_bias=False, name=name)
    norm = batch_normalisation(keras, epsilon=layer.norm.epsilon, name=f"{name}_norm")
    output = norm(conv(source))
    weights += [
        (conv, [layer.kernel]),
        (norm, [layer.norm.gamma, layer.norm.beta, layer.norm.mean, layer.norm.variance]),
    ]
    return layers.ReLU(6.0, name=f"{name}_relu6")(output) if layer.relu6 else output
