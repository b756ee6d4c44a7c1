"""Measures the labelling of a folder of photos beside the limit."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.baselines import limit
from benchmarks.bench import Bench
from benchmarks.row import Row, rates, seconds
from label_image.classifier import Classifier


def rows(bench: Bench) -> Iterator[Row]:
    """Returns one row."""
    classifier = Classifier(bench.trained() / "tf_files/retrained.tflite")
    metadata = classifier.metadata
    paths = sorted(str(path) for path in bench.photo_folder(4).glob("*/*.jpg"))
    pixels = limit.ready(paths[0], metadata.height_px, metadata.width_px, (metadata.mean, metadata.std))

    def labelled() -> float:
        return seconds(lambda: _label(classifier, paths))

    def alone() -> float:
        decoding = limit.decoding(paths, metadata.height_px, metadata.width_px)
        return decoding + limit.forward(classifier.open_runner, pixels, len(paths))

    times = bench.turns({"ours": labelled, "limit": alone})
    what = f"label_image, a folder of {len(paths):,} photos"
    yield Row(what, "images/s", rates(len(paths), times["ours"]), "the limit", rates(len(paths), times["limit"]), 0.95)


def _label(classifier: Classifier, paths: list[str]) -> None:
    for answer in classifier.classify_all(paths):
        if answer.error:
            raise answer.error
