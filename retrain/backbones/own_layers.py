"""Converts networks that are stored as our own layers without TensorFlow, and trains them with folded normalisation.

EfficientNet-Lite and MobileNet are such networks. Their families read the weights; the rest is here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from label_image.photo_pixels import normalise
from label_image.quiet import native_noise_hidden, tensorflow
from retrain.backbones import network_tflite
from retrain.backbones.blocks import last_blocks
from retrain.backbones.folded import PARTS, FoldedNetwork
from retrain.backbones.frozen_graph import Forms, FrozenGraph
from retrain.backbones.network_graph import to_graph
from retrain.backbones.network_keras import from_keras, to_keras
from retrain.backbones.network_layers import FEATURES, INPUT, LayeredNetwork
from retrain.backbones.renormed import renormed
from retrain.backbones.table import Architecture
from retrain.backbones.trainable import Building, Trainable, half_precision, of_keras


def forms_of(row: Architecture, network: LayeredNetwork) -> Forms:
    """Converts a network to its stored forms without TensorFlow."""
    size_px = network.size_px
    frozen = FrozenGraph(to_graph(network), INPUT, FEATURES, size_px, size_px, row.mean, row.std, network.width)
    return Forms(frozen, network_tflite.to_tflite(network))


def trainable_layers(row: Architecture, network: LayeredNetwork, building: Building) -> Trainable:
    """Builds the network so that it can be trained.

    Pretrained normalisation is folded into the convolutions, unless it is trained as well or the weights are random.
    """
    with native_noise_hidden(), half_precision(building.half):
        if building.pretrained and building.frozen_batch_norm:
            return _folded(row, network, building)
        return _with_normalisation(row, network, building)


def _with_normalisation(row: Architecture, network: LayeredNetwork, building: Building) -> Trainable:
    """Builds the network as a Keras model with separate batch normalisation layers."""
    scaling = (row.mean, row.std)
    if building.pretrained and not network.has_statistics and building.some_photos:
        photos = building.some_photos(network.size_px)
        network = renormed(network, normalise(photos, *scaling)) if len(photos) else network
    model = to_keras(network)
    if not building.pretrained:
        _draw(model, building.seed)
    return of_keras(
        row.name, model, building, scaling, lambda image: image, lambda: forms_of(row, from_keras(model, network))
    )


def _folded(row: Architecture, network: LayeredNetwork, building: Building) -> Trainable:
    """Builds the network as TensorFlow variables, with normalisation folded into the convolutions."""
    folded = FoldedNetwork(network)
    names = [layer.name.replace(".", "_") for layer in folded.convolutions]
    places = sorted(last_blocks(names, building.train, row.name))

    def call(image: Any, _: bool) -> Any:
        return folded(tensorflow().cast(image, "float16" if building.half else "float32"))

    return Trainable(
        row.name,
        call,
        folded.variables,
        [PARTS * place + part for place in places for part in range(PARTS)],
        tuple(variable.name for variable in folded.variables),
        network.size_px,
        network.size_px,
        row.mean,
        row.std,
        lambda: forms_of(row, folded.network()),
    )


def _draw(model: Any, seed: int) -> None:
    """Initialises the weights at random: kernels as by He and others (arXiv 1502.01852), normalisation as the identity."""
    rng = np.random.default_rng([seed, 7])
    for layer in model.layers:
        values = layer.get_weights()
        if len(values) == 1:
            kernel = values[0]
            inputs = np.prod(kernel.shape[:2]) * (kernel.shape[2] if kernel.shape[3] > 1 else 1)
            layer.set_weights([rng.normal(0, np.sqrt(2 / inputs), kernel.shape).astype(np.float32)])
        elif values:
            gamma, beta, mean, variance = (np.ones_like(value) for value in values)
            layer.set_weights([gamma, 0 * beta, 0 * mean, variance])
            layer.epsilon = max(layer.epsilon, 1e-3)
