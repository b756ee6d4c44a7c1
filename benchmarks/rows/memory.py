"""Measures the peak memory of a first run with few photos and with many, which are copies with different names and bytes.

There are 20,000 photos, or 100,000 with --long. Memory may grow only with the features, which are the result: one copy of
them is in memory, and a second one while the layer is trained.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.process import run
from benchmarks.row import Row

ARCHITECTURE, WIDTH = "mobilenet_0.25_128", 256


def rows(bench: Bench) -> Iterator[Row]:
    """Compares the peak memory with many photos, without twice their features, with the peak for few photos."""
    few, many = bench.pick(50, 1_000), bench.pick(150, 100_000 if bench.long else 20_000)
    peaks = {count: first_run_peak(bench, count) for count in (few, many)}
    bare = {count: peak - 2 * count * WIDTH * 4 / 1e6 for count, peak in peaks.items()}
    note = f"one run each; {peaks[many]:.0f} MB with all, {peaks[few]:.0f} MB for {few:,} photos"
    if not bench.long:
        note += "; --long takes 100,000 photos"
    what = f"peak of a first run on {many:,} photos, less twice its features"
    yield Row(what, "MB", (bare[many],), f"that on {few:,}", (bare[few],), 0.8, note=note)


def first_run_peak(bench: Bench, count: int) -> float:
    """Measures the MB of a first run of `python -m retrain` on a number of photos, with 100 steps."""
    folder, here = repeated(bench, count), bench.folder("memory_run")
    flags = [f"--image_dir={folder}", f"--architecture={ARCHITECTURE}", f"--model_dir={bench.models}"]
    done = run(["-m", "retrain", *flags, "--how_many_training_steps=100", "--export=tflite"], here)
    shutil.rmtree(folder)
    return done.peak_mb


def repeated(bench: Bench, count: int) -> Path:
    """Makes a folder of a number of photos: copies of the real ones, each with a number after the end of the picture."""
    folder = bench.folder("repeated")
    originals = [(path.parent.name, path) for path in sorted(bench.photos.glob("*/*.jpg"))]
    originals = originals[:: max(1, len(originals) // count)]  # least number of photos of each class
    data = {path: path.read_bytes() for _, path in originals}
    for number in range(count):
        label, path = originals[number % len(originals)]
        (folder / label).mkdir(exist_ok=True)
        (folder / label / f"{number:06d}.jpg").write_bytes(data[path] + number.to_bytes(8, "big"))
    return folder
