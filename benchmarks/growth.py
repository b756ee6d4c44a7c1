"""Measures how time and memory grow with photos, classes, cores and pixels. Prints the measurements and a fitted line.

    python -m benchmarks.growth [--only photos,store,classes,cores,pixels] [--repeat 3] [--size smallest]

The line is fitted by least squares; "explained" is its coefficient of determination (1 is a perfect fit).
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.__main__ import SHARED
from benchmarks.baselines import limit
from benchmarks.bench import Bench, photos_in
from benchmarks.row import in_turn
from benchmarks.rows import classes as class_rows
from benchmarks.rows import store as store_rows
from benchmarks.rows.extraction import ours
from label_image.workers import cores
from retrain.options.options import Options

Works = dict[float, Callable[[], float]]  # x -> measurement at x


@dataclass(frozen=True)
class Growth:
    """Measured points, and the line fitted to them."""

    what: str
    unit: str  # name and unit of x
    points: dict[float, float]  # x -> seconds (or a rate), the median
    y: str = "seconds"

    @property
    def line(self) -> tuple[float, float]:
        """Returns (intercept, slope)."""
        slope, start = np.polyfit(list(self.points), list(self.points.values()), 1)
        return float(start), float(slope)

    @property
    def explained(self) -> float:
        """Returns the coefficient of determination, 0..1."""
        start, slope = self.line
        y = np.array(list(self.points.values()))
        rest = y - start - slope * np.array(list(self.points))
        return float(1 - (rest**2).sum() / max(((y - y.mean()) ** 2).sum(), 1e-30))

    def markdown(self) -> str:
        """Returns a table of the points, and the line in words."""
        start, slope = self.line
        rows = "\n".join(f"| {x:,.6g} | {y:.4g} |" for x, y in self.points.items())
        line = f"{self.y} = {start:.3g} + {slope:.3g} x {self.unit}; explained {self.explained:.3f}"
        return f"### {self.what}\n\n| {self.unit} | {self.y} |\n|---|---|\n{rows}\n\n{line}\n"


def with_photos(bench: Bench) -> Growth:
    """Measures the first extraction with mobilenet_0.25_128."""
    backbone, every = bench.backbone("mobilenet_0.25_128"), photos_in(bench.photos)
    counts = (5, 10, 20) if not bench.full else (125, 250, 500, len(every))
    works: Works = {count: ours(bench, backbone, every[:: len(every) // count][:count]) for count in counts}
    return Growth("Features, mobilenet_0.25_128", "photos", _medians(bench, works))


def with_stored(bench: Bench) -> Growth:
    """Measures opening and loading a store with 256 features for each image."""
    counts = (10_000, 50_000, 100_000, 200_000) if bench.full else (50, 100, 200)
    folders = {count: bench.folder(f"store_{count}") for count in counts}
    for count, folder in folders.items():
        store_rows.fill(folder, store_rows.KEY, store_rows.digests(count))
    works: Works = {count: partial(_loaded, folders[count], count) for count in counts}
    points = _medians(bench, works)
    for folder in folders.values():
        shutil.rmtree(folder)
    return Growth("Loading the store", "stored images", points)


def with_classes(bench: Bench) -> Growth:
    """Measures 1,000 steps with an evaluation at the beginning and at the end, on synthetic features."""
    counts = (5, 50, 100, 200, 400) if bench.full else (2, 4, 8)
    steps = bench.pick(20, 1_000)
    run_options = Options.of("-", how_many_training_steps=steps, eval_step_interval=steps)
    data = {count: class_rows.synthetic(count) for count in counts}
    works: Works = {count: partial(class_rows.train_and_test, data[count], run_options) for count in counts}
    return Growth(f"Training, {steps:,} steps, evaluated twice", "classes", _medians(bench, works))


def with_cores(bench: Bench) -> Growth:
    """Measures the first extraction on some of the cores."""
    backbone, photos = bench.backbone(), photos_in(bench.photo_folder(2, 40))
    work, every = ours(bench, backbone, photos), sorted(os.sched_getaffinity(0))

    def on(count: int) -> float:
        os.sched_setaffinity(0, every[:count])
        try:
            return len(photos) / work()
        finally:
            os.sched_setaffinity(0, every)

    counts = sorted({1, 2, *range(4, cores() + 1, 4), cores()} & set(range(1, cores() + 1)))
    points = _medians(bench, {count: partial(on, count) for count in counts})
    return Growth("Features, efficientnet_lite0", "cores", points, "images/s")


def with_pixels(bench: Bench) -> Growth:
    """Measures decoding to 224 x 224 on all cores, with one JPEG of each size; Pillow decodes large ones at 1/2, 1/4 or 1/8."""
    sizes = {0.12: (400, 300), 0.48: (800, 600), 1.92: (1600, 1200), 7.68: (3200, 2400), 12.0: (4000, 3000)}
    folder, some = bench.folder("sizes"), photos_in(bench.photo_folder(1, 4))
    works: Works = {}
    for megapixels, size in list(sizes.items())[: bench.pick(3, 5)]:
        paths = []
        for number, photo in enumerate(some):
            paths.append(str(folder / f"{megapixels}_{number}.jpg"))
            with Image.open(photo.path) as image:
                image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(paths[-1], quality=90)
        works[megapixels] = partial(_decoding, paths * bench.pick(1, 5))
    return Growth("Decoding a photo to 224 x 224, on one core", "megapixels", _medians(bench, works))


KINDS: dict[str, Callable[[Bench], Growth]] = {
    "photos": with_photos,
    "store": with_stored,
    "classes": with_classes,
    "cores": with_cores,
    "pixels": with_pixels,
}


def _loaded(folder: Path, count: int) -> float:
    seconds, _ = store_rows.load(folder, count)
    return seconds


def _decoding(paths: list[str]) -> float:
    """Returns the seconds per photo on one core while all cores are busy."""
    return limit.decoding(paths, 224, 224) / len(paths) * cores()


def _medians(bench: Bench, works: Works) -> dict[float, float]:
    for work in works.values():
        work()
    figures = in_turn({str(x): work for x, work in works.items()}, bench.repeat)
    return {x: statistics.median(figures[str(x)]) for x in works}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(KINDS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--size", choices=("smallest", "full"), default="full")
    parser.add_argument("--photos", type=Path, default=SHARED / "flower_photos")
    parser.add_argument("--models", type=Path, default=SHARED / "models")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        models = Path(scratch, "models")
        shutil.copytree(options.models, models, copy_function=shutil.copyfile)
        bench = Bench(options.photos.resolve(), models, Path(scratch), options.repeat, options.size == "full")
        for name in options.only.split(","):
            print(KINDS[name](bench).markdown(), flush=True)


if __name__ == "__main__":
    main()
