"""Checks that the exports of a run label every test photo as the run did, in an environment without TensorFlow.

    python -m benchmarks.light_labels FOLDER/run_0 --light .venv-light/bin/python

FOLDER/run_0 contains tf_files and the device folder `pi`, as `python -m benchmarks.tutorials --only raspberry_pi` writes them.
`python -m label_image` runs the `.tflite`, and `run.py` in the device folder runs that one. TensorFlow must not be installed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.process import ROOT

_AT_ONCE = 1_000  # photos for each call of run.py, because the length of a command line is limited


def main() -> int:
    """Runs the program; returns the exit status: 1 if a label differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.light_labels", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--light", type=Path, required=True)
    options = parser.parse_args()
    light = str(options.light.absolute())
    if subprocess.run([light, "-c", "import tensorflow"], capture_output=True, check=False).returncode == 0:
        print(f"light_labels: {options.light} has TensorFlow, so it is not light; see make light", file=sys.stderr)
        return 2
    (record,) = options.folder.glob("tf_files/runs/*/run.json")
    expected = {photo["path"]: photo["predicted"] for photo in json.loads(record.read_text("utf-8"))["test_photos"]}
    answers = {
        ".tflite, python -m label_image": _by_label_image(light, options.folder.absolute(), list(expected)),
        "device folder, run.py": _by_run_py(light, options.folder.absolute(), list(expected)),
    }
    different = 0
    for name, labels in answers.items():
        same = sum(labels.get(path) == label for path, label in expected.items())
        different += len(expected) - same
        print(f"{name}: the label of the training's test for {same:,} of {len(expected):,} photos")
    return 1 if different else 0


def _by_label_image(light: str, folder: Path, photos: Sequence[str]) -> dict[str, str]:
    words = ["--image=-", f"--graph={folder / 'tf_files/retrained.tflite'}", "--format=jsonl", "--top_k=1"]
    done = subprocess.run(
        [light, "-m", "label_image", *words],
        input="\n".join(photos),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["image"]: line["labels"][0]["label"] for line in lines}


def _by_run_py(light: str, folder: Path, photos: Sequence[str]) -> dict[str, str]:
    labels = {}
    for start in range(0, len(photos), _AT_ONCE):
        words = [light, "run.py", *photos[start : start + _AT_ONCE]]
        done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=folder / "pi")
        for block in done.stdout.split("\n\n"):
            path, *scores = block.splitlines() or [""]
            if scores:
                labels[path] = scores[0].rsplit(" (score=", 1)[0]
    return labels


if __name__ == "__main__":
    sys.exit(main())
