"""Measures the first extraction of features into an empty store: beside the limit, the original's way and a Keras pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.baselines import limit
from benchmarks.baselines.keras_pipeline import Pipeline
from benchmarks.baselines.original import Extraction
from benchmarks.bench import Bench, photos_in, silent
from benchmarks.row import Row, rates, seconds
from retrain.backbones.lookup import architecture
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.prepare import network_of
from retrain.backbones.weights import from_archive
from retrain.data.augment import View
from retrain.features.extraction import extract
from retrain.features.runtimes import choose
from retrain.store.feature_store import Store
from retrain.types import Backbone, Photo

SMALLEST = "mobilenet_0.25_128"
NETWORKS = {  # the goal as a multiple of the original's rate; None for networks that the original does not support
    "efficientnet_lite0": None,
    "mobilenet_0.25_128": 5.0,
    "mobilenet_0.25_224": 5.0,
    "mobilenet_1.0_224": 3.0,
}


def rows(bench: Bench) -> Iterator[Row]:
    """Returns two or three rows for each network."""
    folder = bench.photo_folder(4)
    photos = photos_in(folder)
    for name in NETWORKS if bench.full else (SMALLEST,):
        goal = NETWORKS[name]
        backbone = bench.backbone(name)
        keras = Pipeline(network_of(bench.options(folder, name).network), backbone, folder)
        works = {
            "ours": ours(bench, backbone, photos),
            "the limit": the_limit(backbone, photos),
            "a Keras pipeline": keras.run,
        }
        if goal:
            works["the original's way"] = _original(bench, name, photos)
        rate = {work: rates(len(photos), times) for work, times in bench.turns(works).items()}
        goals = {"the limit": 0.97, "the original's way": goal, "a Keras pipeline": 1.5}
        for baseline in (work for work in works if work != "ours"):
            yield Row(f"features, {name}", "images/s", rate["ours"], baseline, rate[baseline], goals[baseline])


def ours(bench: Bench, backbone: Backbone, photos: list[Photo]) -> Callable[[], float]:
    """Measures the seconds of our extraction into an empty store."""
    runtime = choose(backbone, "cpu")

    def work() -> float:
        store = Store(bench.folder("empty_store"))
        try:
            return seconds(lambda: extract(photos, backbone, lambda: runtime, store, View(), silent))
        finally:
            store.close()

    return work


def the_limit(backbone: Backbone, photos: list[Photo]) -> Callable[[], float]:
    """Measures the seconds of decoding alone and of the network alone."""
    runtime, paths = choose(backbone, "cpu"), [photo.path for photo in photos]
    size = backbone.height_px, backbone.width_px
    pixels = limit.ready(paths[0], *size, (backbone.mean, backbone.std))
    return lambda: limit.decoding(paths, *size) + limit.forward(runtime.make_runner, pixels, len(paths))


def _original(bench: Bench, name: str, photos: list[Photo]) -> Callable[[], float]:
    row = architecture(name)
    found = from_archive(row, ModelFolder.of(bench.options(bench.photos, name).network, silent))
    way, paths = Extraction(found.data, row.size_px), [photo.path for photo in photos]
    return lambda: way.run(paths, Path(bench.folder("original")))
