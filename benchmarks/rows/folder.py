"""Labelling a folder of photos against the limit."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.baselines import limit
from benchmarks.bench import Bench
from benchmarks.row import Row, in_turn, rates, seconds
from label_image.classifier import Classifier


def rows(bench: Bench) -> Iterator[Row]:
    """One row."""
    classifier = Classifier(bench.trained() / "tf_files/retrained.tflite")
    card = classifier.card
    paths = sorted(str(path) for path in bench.photo_folder(4).glob("*/*.jpg"))
    pixels = limit.ready(paths[0], card.height_px, card.width_px, (card.mean, card.std))

    def labelled() -> float:
        return seconds(lambda: [_sound(answer.error) for answer in classifier.classify_all(paths)])

    def alone() -> float:
        decoding = limit.decoding(paths, card.height_px, card.width_px)
        return decoding + limit.forward(classifier.open_runner, pixels, len(paths))

    labelled()  # the files are in memory from here on
    times = in_turn({"ours": labelled, "limit": alone}, bench.repeat)
    what = f"label_image, a folder of {len(paths):,} photos"
    yield Row(
        what, "images/s", rates(len(paths), times["ours"]), "the limit", rates(len(paths), times["limit"]), 0.95
    )


def _sound(error: Exception | None) -> None:
    if error:
        raise error
