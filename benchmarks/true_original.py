"""Checks that our reimplementation of the original (baselines/original.py) is not slower than the original itself.

    python -m benchmarks.true_original PYTHON3.7 RETRAIN.PY LABEL_IMAGE.PY [--repeat 3] [--photos_per_class 0]

The scripts are those of googlecodelabs/tensorflow-for-poets-2, on TensorFlow 1.15. The time of one of their phases is the
difference between a run with it and a run without it. Prints Markdown; with a ratio above 1 the reimplementation is faster.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import results
from benchmarks.__main__ import SHARED
from benchmarks.baselines.original import Extraction, Training
from benchmarks.bench import Bench, photos_in, silent
from benchmarks.process import run
from benchmarks.row import Row, in_turn, rates
from retrain.backbones.lookup import architecture
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.weights import from_archive
from retrain.pipeline.settings import divided
from retrain.types import Bottlenecks, Scan

NETWORKS = ("mobilenet_0.25_128", "mobilenet_0.25_224")
STEPS = 100  # the phases that are measured; both programs do the same in each


@dataclass(frozen=True)
class TrueOriginal:
    """The original scripts, in a folder of their own."""

    python: str
    retrain: str
    label_image: str
    photos: Path
    models: Path
    folder: Path

    def seconds(self, name: str, steps: int, *, empty: bool) -> float:
        """Makes a whole run with an empty or a full cache."""
        if empty:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(exist_ok=True)
        flags = {
            "image_dir": self.photos, "architecture": name, "how_many_training_steps": steps, "model_dir": self.models,
            "bottleneck_dir": "bottlenecks", "summaries_dir": "summaries", "output_graph": "graph.pb", "output_labels": "labels.txt",
        }  # fmt: skip
        return self._run(self.retrain, *(f"--{flag}={value}" for flag, value in flags.items()))

    def features(self, name: str) -> float:
        """Measures the seconds of computing all features: a run with an empty cache minus one with a full cache."""
        return self.seconds(name, 1, empty=True) - self.seconds(name, 1, empty=False)

    def steps(self, name: str, count: int) -> float:
        """Measures the seconds of a number of training steps: a run minus a run with a single step."""
        return self.seconds(name, count + 1, empty=False) - self.seconds(name, 1, empty=False)

    def label(self, photo: Path) -> float:
        """Labels one photo with the graph of the last run, as a whole process."""
        files = ("--graph=graph.pb", "--labels=labels.txt", f"--image={photo}")
        return self._run(self.label_image, *files, "--input_height=224", "--input_width=224")

    def _run(self, *arguments: str) -> float:
        start = time.perf_counter()
        command = [self.python, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, env=_env())
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        return time.perf_counter() - start


def _features(bench: Bench, way: Extraction, paths: list[str]) -> float:
    return way.run(paths, bench.folder("text"))


def _env() -> dict[str, str]:
    """Returns the environment without the variables of today's TensorFlow, which would switch the old one to eager execution."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "TF2_BEHAVIOR")}


def rows(bench: Bench, true: TrueOriginal) -> Iterator[Row]:
    """Measures features of two networks, training steps, and labelling of one photo."""
    photos = photos_in(true.photos)
    paths = [photo.path for photo in photos]
    for name in NETWORKS:
        row = architecture(name)
        way = Extraction(
            from_archive(row, ModelFolder.of(bench.options(true.photos, name).network, silent)).data, row.size_px
        )
        works = {"ours": partial(_features, bench, way, paths), "theirs": partial(true.features, name)}
        times = in_turn(works, bench.repeat)
        ours, theirs = rates(len(paths), times["ours"]), rates(len(paths), times["theirs"])
        yield Row(f"features, {name}", "images/s", ours, "the true original", theirs, 1.0)
    split = divided(bench.options(true.photos), Scan(tuple(photos)))
    features = np.stack([way.features(photo.path) for photo in split.photos])
    training = Training(
        Bottlenecks(features[None], split.label_ids, split.lists), len(split.labels), bench.folder("text")
    )
    times = in_turn({"ours": partial(training.run, STEPS), "theirs": partial(true.steps, name, STEPS)}, bench.repeat)
    yield Row(f"{STEPS} training steps, {name}", "s", times["ours"], "the true original", times["theirs"], 1.0)
    files = ("graph.pb", "labels.txt", "input", "final_result", "224", "127.5", "127.5", paths[0])
    label = ["-m", "benchmarks.baselines.label_with_tensorflow", *files]
    labelling = {"ours": lambda: run(label, true.folder).seconds, "theirs": lambda: true.label(Path(paths[0]))}
    times = in_turn(labelling, bench.repeat)
    yield Row("one photo labelled", "s", times["ours"], "the true original", times["theirs"], 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python")
    parser.add_argument("retrain")
    parser.add_argument("label_image")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--photos_per_class", type=int, default=0, help="0 is all")
    parser.add_argument("--photos", type=Path, default=SHARED / "flower_photos")
    parser.add_argument("--models", type=Path, default=SHARED / "models")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        models = Path(scratch, "models")
        shutil.copytree(options.models, models, copy_function=shutil.copyfile)
        bench = Bench(options.photos.resolve(), models, Path(scratch), options.repeat)
        retrain, label_image = (str(Path(script).resolve()) for script in (options.retrain, options.label_image))
        photos = bench.photo_folder(0, options.photos_per_class)
        true = TrueOriginal(options.python, retrain, label_image, photos, models, Path(scratch, "original"))
        for row in rows(bench, true):
            print(results.line(row), flush=True)


if __name__ == "__main__":
    main()
