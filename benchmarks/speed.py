"""How fast the main job is here, as whole processes; beside the real original where it is at hand.

    python benchmarks/speed.py PHOTOS --models MODELS [--repeat 5] [--original PYTHON3.7 RETRAIN.PY LABEL_IMAGE.PY]

MODELS is a folder with original archives, as ../shared/data/models; it is copied, not written to. With --original, the
script of googlecodelabs/tensorflow-for-poets-2 is run under TensorFlow 1.15 in the same minutes, on the same photos, and
the ratio is printed. Medians; images/s are those that each program needs for the feature phase alone.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
RATE = re.compile(r"^(\d+) photos in ([\d.]+) s", re.MULTILINE)
SMALL = ("mobilenet_0.25_128", "mobilenet_0.25_224")


def timed(command: Sequence[str], folder: Path) -> tuple[float, str]:
    """(seconds of the whole process, its output)."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=ENV)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    return seconds, done.stdout + done.stderr


def ours(photos: Path, folder: Path, architecture: str) -> float:
    """Images/s of our feature phase, from an empty store."""
    shutil.rmtree(folder / "tf_files/bottlenecks", ignore_errors=True)
    command = [
        sys.executable,
        "-m",
        "retrain",
        f"--image_dir={photos}",
        f"--architecture={architecture}",
        "--how_many_training_steps=1",
    ]
    _, output = timed(command, folder)
    (count, seconds) = RATE.findall(output)[0]
    return int(count) / float(seconds)


def theirs(original: Sequence[str], photos: Path, folder: Path, architecture: str) -> float:
    """Images/s of the original's feature phase: a run from an empty cache less a run from a full one."""
    shutil.rmtree(folder / "original", ignore_errors=True)
    command = [
        original[0], original[1], f"--image_dir={photos}", f"--architecture={architecture}", "--how_many_training_steps=1",
        "--model_dir=tf_files/models", "--bottleneck_dir=original/bottlenecks", "--summaries_dir=original/summaries",
        "--output_graph=original/graph.pb", "--output_labels=original/labels.txt",
    ]  # fmt: skip
    (folder / "original").mkdir()
    empty, _ = timed(command, folder)
    full, _ = timed(command, folder)
    return sum(1 for _ in photos.rglob("*.jpg")) / (empty - full)


def row(what: str, values: Sequence[float], unit: str, other: float | None = None) -> None:
    middle = statistics.median(values)
    spread = f"{min(values):.3g} to {max(values):.3g}"
    ratio = f"{other:.3g} {unit} | {max(middle / other, other / middle):.1f} x" if other else " | "
    print(f"| {what} | {middle:.3g} {unit} | {spread} | {ratio} |", flush=True)


def measure_ours(photos: Path, folder: Path, repeat: int, original: Sequence[str] | None) -> None:
    for architecture in (*SMALL, "mobilenet_1.0_224", "efficientnet_lite0"):
        rates = [ours(photos, folder, architecture) for _ in range(repeat)]
        other = theirs(original, photos, folder, architecture) if original and architecture in SMALL else None
        row(f"features, {architecture}", rates, "images/s", other)
    retrain = [sys.executable, "-m", "retrain", f"--image_dir={photos}"]
    row("first run, default flags, model already made", [_first(retrain, folder) for _ in range(repeat)], "s")
    row("second run, default flags", [timed(retrain, folder)[0] for _ in range(repeat)], "s")
    photo = str(next(photos.glob("*/*.jpg")))
    label = [sys.executable, "-m", "label_image", f"--image={photo}"]
    theirs_label = None
    if original:
        graph = ["--graph=tf_files/retrained_graph.pb", "--labels=tf_files/retrained_labels.txt", f"--image={photo}"]
        theirs_label = statistics.median(timed([original[0], original[2], *graph], folder)[0] for _ in range(repeat))
    row("label_image, one photo, .tflite", [timed(label, folder)[0] for _ in range(repeat)], "s", theirs_label)
    for module in ("retrain", "label_image"):
        row(
            f"{module} --help", [timed([sys.executable, "-m", module, "--help"], folder)[0] for _ in range(repeat)], "s"
        )


def _first(command: Sequence[str], folder: Path) -> float:
    shutil.rmtree(folder / "tf_files/bottlenecks", ignore_errors=True)
    return timed(command, folder)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--original", nargs=3, metavar=("PYTHON", "RETRAIN", "LABEL_IMAGE"))
    options = parser.parse_args()
    print("| what | median | range | the original | ratio |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(options.models, Path(scratch, "tf_files/models"), copy_function=shutil.copyfile)
        measure_ours(options.photos.resolve(), Path(scratch), options.repeat, options.original)


if __name__ == "__main__":
    main()
