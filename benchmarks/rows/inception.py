"""Measures extraction with Inception-v3 beside the network alone, in the faster of LiteRT and TensorFlow.

The weights are random, which does not change the time. At the smallest size, a small network is used instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from benchmarks.baselines import limit
from benchmarks.bench import Bench, photos_in, silent
from benchmarks.row import Row, rates, seconds
from benchmarks.rows.extraction import ours
from label_image.runners.tensorflow import GraphRunner
from retrain.backbones.frozen_graph import freeze, to_tflite
from retrain.backbones.model_folder import FoundWeights, ModelFolder
from retrain.backbones.network_keras import keras_on_tensorflow
from retrain.backbones.table import Architecture
from retrain.features.runtimes import choose
from retrain.types import Backbone

_BATCH = 32  # photos for each call of TensorFlow


def rows(bench: Bench) -> Iterator[Row]:
    """Returns one row."""
    photos = photos_in(bench.photo_folder(1, 40))
    backbone = _random_weights(bench)
    pixels = limit.ready(photos[0].path, backbone.height_px, backbone.width_px, (backbone.mean, backbone.std))
    runtime = choose(backbone, "cpu")
    works = {
        "ours": ours(bench, backbone, photos),
        "LiteRT": lambda: limit.forward(runtime.make_runner, pixels, len(photos)),
        "TensorFlow": _in_batches(backbone, pixels, len(photos)),
    }
    rate = {name: rates(len(photos), times) for name, times in bench.turns(works).items()}
    best = tuple(max(pair) for pair in zip(rate["LiteRT"], rate["TensorFlow"], strict=True))
    note = f"{backbone.name}; {runtime.why}; forward alone LiteRT {np.median(rate['LiteRT']):.3g}, TensorFlow {np.median(rate['TensorFlow']):.3g} images/s"
    yield Row("features, inception_v3", "images/s", rate["ours"], "forward alone, best", best, 0.95, note=note)


def _in_batches(backbone: Backbone, pixels: npt.NDArray[np.float32], count: int) -> Callable[[], float]:
    """Measures the seconds of the network alone on TensorFlow, on all cores."""
    runner = GraphRunner(backbone.graph, backbone.input_layer, backbone.features_layer, "/cpu:0")
    batch = np.stack([pixels] * min(_BATCH, count))
    return lambda: seconds(lambda: [runner.scores(batch[: count - at]) for at in range(0, count, _BATCH)])


def _random_weights(bench: Bench) -> Backbone:
    """Builds Inception-v3 with Keras, and stores it as any other network."""
    keras = keras_on_tensorflow()
    keras.utils.set_random_seed(0)
    sizes = {"weights": None, "include_top": False, "pooling": "avg"}
    if bench.full:
        name, size_px = "inception_v3, random weights", 299
        model = keras.applications.InceptionV3(input_shape=(size_px, size_px, 3), **sizes)
    else:
        name, size_px = "mobilenet_0.25_128, random weights", 128
        model = keras.applications.MobileNet(input_shape=(size_px, size_px, 3), alpha=0.25, **sizes)
    frozen = freeze(lambda image: model(image, training=False), size_px, size_px, std=127.5)
    row, weights = Architecture(name, "inception", size_px), FoundWeights(f"random {name}", "random numbers")
    return ModelFolder.of(bench.options(bench.photos).network, silent).keep(row, weights, frozen, *to_tflite(frozen))
