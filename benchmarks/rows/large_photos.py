"""Measures photos of 12 megapixels, enlarged from the real ones: scaled decoding beside decoding at full size.

It also checks that both give the same labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.bench import Bench, photos_in, silent
from benchmarks.row import Row, rates, seconds
from benchmarks.rows.extraction import ours
from label_image.photo_pixels import decode, normalise
from label_image.workers import cores, map_ordered
from retrain.data.augment import View
from retrain.features.extraction import extract
from retrain.features.runtimes import choose
from retrain.head.train import train
from retrain.pipeline.settings import layer_training
from retrain.store.feature_store import Store
from retrain.types import Backbone, Photo

SIZE = (4000, 3000)  # size of a phone's photos


def rows(bench: Bench) -> Iterator[Row]:
    """Returns rows for decoding, for the whole extraction, and for the agreement of the labels."""
    photos = _enlarged(bench)
    backbone = bench.backbone()
    size = backbone.height_px, backbone.width_px
    paths = [photo.path for photo in photos]
    ways = {
        "decoding, 12 megapixels": {
            "ours": lambda: seconds(lambda: _each(lambda: lambda path: decode(path, *size), paths)),
            "full": lambda: seconds(lambda: _each(lambda: lambda path: full_size(path, *size), paths)),
        },
        "features, efficientnet_lite0, 12 megapixels": {
            "ours": ours(bench, backbone, photos),
            "full": lambda: seconds(lambda: _plain_features(backbone, paths)),
        },
    }
    for what, works in ways.items():
        rate = {name: rates(len(paths), times) for name, times in bench.turns(works).items()}
        yield Row(what, "images/s", rate["ours"], "full-size decode", rate["full"], 3.0)
    share, difference = _same_answers(bench, backbone, photos)
    note = f"a head trained on the photos as they were; the largest difference of a feature is {difference:.2g} of the largest feature"
    yield Row("12 megapixels: the label of a full-size decode", "%", (100 * share,), "all", (100.0,), 0.99, note=note)


def full_size(path: str, height_px: int, width_px: int) -> npt.NDArray[np.uint8]:
    """Computes the same features from photos that are decoded at full size and then reduced."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((width_px, height_px), Image.Resampling.BILINEAR))


def _enlarged(bench: Bench) -> list[Photo]:
    """Makes about 500 photos of 12 megapixels; upright photos stay upright."""
    folder, size = bench.folder("large"), bench.pick(1, 100)
    wanted = [photo for label in sorted(bench.photos.iterdir()) for photo in sorted(label.glob("*.jpg"))[:size]]
    wanted = wanted[: bench.pick(4, 500)]

    def enlarge(path: Path) -> None:
        to = folder / path.parent.name / path.name
        to.parent.mkdir(exist_ok=True)
        with Image.open(path) as image:
            side = SIZE if image.width >= image.height else SIZE[::-1]
            image.convert("RGB").resize(side, Image.Resampling.BICUBIC).save(to, quality=90)

    _each(lambda: enlarge, wanted)
    return photos_in(folder)


def _plain_features(backbone: Backbone, paths: list[str]) -> npt.NDArray[np.float32]:
    """Computes features after decoding at full size, with one worker per core: float32 [photos, width]."""
    runtime = choose(backbone, "cpu")

    def make_worker() -> Callable[[str], npt.NDArray[np.float32]]:
        runner = runtime.make_runner()

        def features(path: str) -> npt.NDArray[np.float32]:
            pixels = full_size(path, backbone.height_px, backbone.width_px)
            row: npt.NDArray[np.float32] = runner.scores(normalise(pixels, backbone.mean, backbone.std)[None])[0]
            return row

        return features

    return np.stack(_each(make_worker, paths))


def _same_answers(bench: Bench, backbone: Backbone, photos: list[Photo]) -> tuple[float, float]:
    """Returns (fraction of the photos with the same label, largest difference of a feature relative to the largest feature)."""
    split, bottlenecks = bench.features(bench.photo_folder(8))
    head = train(bottlenecks, split.labels, layer_training(bench.options(bench.photos)))
    store = Store(bench.folder("empty_store"))
    scaled = extract(photos, backbone, lambda: choose(backbone, "cpu"), store, View(), silent).features
    store.close()
    full = _plain_features(backbone, [photo.path for photo in photos])
    same = head.logits(scaled).argmax(axis=1) == head.logits(full).argmax(axis=1)
    return float(same.mean()), float(np.abs(scaled - full).max() / np.abs(full).max())


def _each(make_worker: Callable[[], Callable[[Any], Any]], items: list[Any]) -> list[Any]:
    return list(map_ordered(make_worker, items, cores()))
