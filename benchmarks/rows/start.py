"""Measures whole processes that do little: labelling one photo, and --help."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.process import run
from benchmarks.row import Row
from label_image.classifier import Classifier
from label_image.model_metadata import Metadata


def rows(bench: Bench) -> Iterator[Row]:
    """Returns two rows for a photo and two for --help."""
    here = bench.trained()
    photo = next(bench.photos.glob("*/*.jpg"))
    label = ["-m", "label_image", f"--image={photo}"]
    tensorflow = _with_tensorflow(here, photo)
    works = {
        "label": lambda: run(label, here).seconds,
        "tensorflow": lambda: run(tensorflow, here).seconds,
        "retrain --help": lambda: run(["-m", "retrain", "--help"], here).seconds,
        "label_image --help": lambda: run(["-m", "label_image", "--help"], here).seconds,
    }
    times = bench.turns(works)
    yield Row("label_image, one photo", "s", times["label"], at_most=0.35)
    yield Row("label_image, one photo", "s", times["label"], "one that imports TensorFlow", times["tensorflow"], 8.0)
    for name in ("retrain --help", "label_image --help"):
        yield Row(name, "s", times[name], at_most=0.25)


def _with_tensorflow(here: Path, photo: Path) -> list[str]:
    """Labels the same photo with the frozen graph of the same run, with TensorFlow."""
    metadata: Metadata = Classifier(here / "tf_files/retrained.tflite").metadata
    return [
        *("-m", "benchmarks.baselines.label_with_tensorflow"),
        *("tf_files/retrained_graph.pb", "tf_files/retrained_labels.txt", metadata.input_layer, metadata.output_layer),
        *map(str, (metadata.height_px, metadata.mean[0], metadata.std[0], photo)),
    ]
