"""Trains as the Keras guides suggest: image_dataset_from_directory, model.predict and fit."""

from __future__ import annotations

import time
from pathlib import Path

from retrain.backbones.network_keras import keras_on_tensorflow, to_keras
from retrain.backbones.network_layers import LayeredNetwork
from retrain.types import TRAINING, Backbone, Bottlenecks


class Pipeline:
    """Computes the features of the photos of a folder with a Keras model.

    Args:
      network: layers and weights.
      backbone: the same one, for its size and scale.
      folder: the photos.
    """

    def __init__(self, network: LayeredNetwork, backbone: Backbone, folder: Path) -> None:
        self._keras = keras_on_tensorflow()
        self._backbone, self._folder = backbone, folder
        image = self._keras.Input((backbone.height_px, backbone.width_px, 3))
        scale = self._keras.layers.Rescaling(1 / backbone.std[0], -backbone.mean[0] / backbone.std[0])
        self._model = self._keras.Model(image, to_keras(network)(scale(image)))

    def run(self) -> float:
        """Measures the seconds of reading and predicting all photos."""
        size = (self._backbone.height_px, self._backbone.width_px)
        start = time.perf_counter()
        photos = self._keras.utils.image_dataset_from_directory(
            str(self._folder), labels=None, image_size=size, shuffle=False, verbose=False
        )
        self._model.predict(photos, verbose=0)
        return time.perf_counter() - start


class Fit:
    """Trains a softmax layer on features with `fit`."""

    def __init__(self, bottlenecks: Bottlenecks, classes: int) -> None:
        keras = keras_on_tensorflow()
        rows = bottlenecks.rows(TRAINING)
        self._features, self._label_ids = bottlenecks.features[0, rows], bottlenecks.label_ids[rows]
        width = self._features.shape[1]
        self._model = keras.Sequential([keras.Input((width,)), keras.layers.Dense(classes, activation="softmax")])
        self._model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")

    def run(self, steps: int) -> float:
        """Measures the seconds of a number of steps of 100 photos, scaled to that number, without evaluation."""
        each = -(-len(self._features) // 100)
        epochs = -(-steps // each)
        start = time.perf_counter()
        self._model.fit(self._features, self._label_ids, batch_size=100, epochs=epochs, verbose=0)
        return (time.perf_counter() - start) * steps / (epochs * each)
