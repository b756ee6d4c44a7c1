"""Checks that the heat maps of all labels add up to the scores, in each export, and measures the time of a heat map.

    python benchmarks/heat_maps.py PHOTOS [--every 10]

It trains on PHOTOS with every export that has a heat map. The difference is the largest, over all scores of all photos,
between the softmax of (mean of the map + bias) of all labels and the scores of the classifier. Times are medians over
photos, one photo at a time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from label_image import Classifier  # noqa: E402 - the path comes first
from label_image.explainer import Explainer, write_picture  # noqa: E402
from label_image.heatmap import class_activation_map, feature_maps, head_of  # noqa: E402

FLAGS = (
    "--saved_model_dir=tf_files/saved_model",
    "--quantize=none,float16,dynamic,int8",
    "--max_quantization_loss=100",
)
EXPORTS = (
    "retrained.tflite", "retrained_float16.tflite", "retrained_dynamic.tflite", "retrained_int8.tflite",
    "retrained_graph.pb", "saved_model",
)  # fmt: skip


def row(graph: Path, photos: list[Path], out: Path) -> str:
    """Returns one row of the table."""
    classifier, maps, (weights, biases) = Classifier(graph), feature_maps(graph), head_of(graph)
    explainer = Explainer(classifier)
    worst, labelled, drawn = 0.0, [], []
    for photo in photos:
        start = time.perf_counter()
        answer = classifier.classify(photo)
        between = time.perf_counter()
        write_picture(explainer.picture(photo, answer, answer.top(1)[0][0]), out, photo.name)
        labelled.append(between - start)
        drawn.append(time.perf_counter() - between)
        ready = classifier.ready(photo)
        assert not isinstance(ready, bytes)  # none of these reads files by itself
        (features,) = maps(ready[None])
        logits = np.array([class_activation_map(features, column).mean() for column in weights.T]) + biases
        powers = np.exp(logits - logits.max())
        worst = max(worst, float(np.abs(powers / powers.sum() - answer.scores).max()))
    times = f"{statistics.median(labelled) * 1000:.0f} | {statistics.median(drawn) * 1000:.0f}"
    return f"| {graph.name} | {features.shape[0]} x {features.shape[1]} | {len(photos)} | {worst:.0e} | {times} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--every", type=int, default=10, help="use only every n-th photo")
    options = parser.parse_args()
    photos = sorted(options.photos.resolve().glob("*/*.jpg"))[:: options.every]
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "retrain", f"--image_dir={options.photos.resolve()}", *FLAGS]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False, env=env)
        if done.returncode:
            sys.exit(done.stderr)
        print("| export | map | photos | largest difference of a score | labelled, ms | heat map beside it, ms |")
        print("|---|---|---|---|---|---|")
        for name in EXPORTS:
            print(row(Path(scratch) / "tf_files" / name, photos, Path(scratch) / "maps"), flush=True)


if __name__ == "__main__":
    main()
