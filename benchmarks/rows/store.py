"""Measures the store with synthetic features of 10,000 to a million images: opening it, loading all, and adding one image.

Each load is a process of its own, so that its memory can be measured: `python -m benchmarks.rows.store load FOLDER COUNT`.
So is adding one image to a folder: `... add PHOTOS MODELS STORE`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.bench import Bench, silent
from benchmarks.process import run
from benchmarks.row import Row, in_turn
from retrain.backbones.prepare import prepare
from retrain.data.augment import View
from retrain.features.extraction import extract, key_for
from retrain.features.runtimes import choose
from retrain.options.options import Options
from retrain.pipeline.settings import scanned
from retrain.store.feature_store import Store
from retrain.store.known_files import KnownFile, stamp_of

WIDTH = 256  # width of mobilenet_0.25
ARCHITECTURE = "mobilenet_0.25_128"
KEY = "synthetic"
_AT_ONCE = 10_000


def rows(bench: Bench) -> Iterator[Row]:
    """Measures time and memory of loading at three sizes, and of adding one image."""
    counts = (10_000, 100_000, 1_000_000) if bench.full else (50, 200, 1_000)
    folders = {count: bench.folder(f"store_{count}") for count in counts}
    for count, folder in folders.items():
        fill(folder, KEY, digests(count))
    peaks: list[float] = []  # of the largest size

    def loaded(count: int) -> float:
        seconds, peak_mb = load(folders[count], count)
        if count == counts[-1]:
            peaks.append(peak_mb)
        return seconds

    by_name = bench.turns({str(count): partial(loaded, count) for count in counts})
    times = {count: by_name[str(count)] for count in counts}
    for count in counts:
        goal = 6.0 if count == 1_000_000 else None
        yield Row(f"store: {count:,} images opened and loaded", "s", times[count], at_most=goal)
    allowed = 1.5 * counts[-1] * WIDTH * 4 / 1e6
    what = f"store: peak memory, {counts[-1]:,} images"
    yield Row(what, "MB", tuple(peaks[-bench.repeat :]), "1.5 x the features", (allowed,), 1.0)
    for folder in folders.values():
        shutil.rmtree(folder)
    each = {count: tuple(1e6 * time_s / count for time_s in times[count]) for count in counts}
    what, where = "store: an image of", "linear: no slower than"
    for fewer, more in itertools.pairwise(counts):
        yield Row(f"{what} {more:,}", "µs", each[more], f"{where} one of {fewer:,}", each[fewer], 0.8)
    yield from _adding(bench)


def digests(count: int) -> list[str]:
    """Makes digests of photos that do not exist."""
    return [hashlib.sha256(number.to_bytes(8, "big")).hexdigest() for number in range(count)]


def fill(folder: Path, key: str, photos: list[str]) -> None:
    """Writes synthetic features with the code of the store."""
    rng, store = np.random.default_rng(0), Store(folder)
    for start in range(0, len(photos), _AT_ONCE):
        some = photos[start : start + _AT_ONCE]
        store.write(key, zip(some, rng.normal(size=(len(some), WIDTH)).astype(np.float32), strict=True))
    store.close()


def load(folder: Path, count: int) -> tuple[float, float]:
    """Measures (seconds, peak in MB) of opening and loading a store in a process of its own."""
    done = run(["-m", "benchmarks.rows.store", "load", str(folder), str(count)], folder)
    return float(json.loads(done.output)["seconds"]), done.peak_mb


def _adding(bench: Bench) -> Iterator[Row]:
    """Measures the process that adds one photo to a folder whose other photos are in the store."""
    count, folder, kept = bench.pick(100, 100_000), bench.folder("many"), bench.folder("many_store")
    names = _tiny_photos(folder, count)
    key = key_for(bench.backbone(ARCHITECTURE), choose(bench.backbone(ARCHITECTURE), "cpu"), View())
    photos = digests(count)
    fill(kept, key, photos)
    store, left = Store(kept), iter(photos)
    for paths in names:
        store.remember_files(paths[0].parent, {path.name: _known(path, next(left)) for path in paths})
    store.close()
    real = sorted(bench.photos.glob("*/*.jpg"))
    turns = iter(range(bench.repeat))

    def add() -> float:
        turn = next(turns)
        shutil.copyfile(real[turn], names[0][0].with_name(f"added_{turn}.jpg"))
        done = run(["-m", "benchmarks.rows.store", "add", str(folder), str(bench.models), str(kept)], bench.scratch)
        if json.loads(done.output) != {"photos": count + turn + 1, "computed": 1}:
            raise RuntimeError(f"added one image to {count + turn}, and it says {done.output}")
        return done.seconds

    times = in_turn({"ours": add}, bench.repeat)
    note = "a process: the folder is looked through, all features are loaded, one is computed and kept; no training"
    yield Row(f"one image added to {count:,}", "s", times["ours"], at_most=2.0, note=note)


def _tiny_photos(folder: Path, count: int) -> list[list[Path]]:
    """Makes files with the first bytes of a photo in five folders; they are never decoded."""
    names: list[list[Path]] = []
    for label in range(5):
        (folder / f"class_{label}").mkdir()
        names.append([folder / f"class_{label}" / f"{number:06d}.jpg" for number in range(count // 5)])
        for path in names[-1]:
            path.write_bytes(b"\xff\xd8\xff")
    return names


def _known(path: Path, sha256: str) -> KnownFile:
    size, mtime_ns, ctime_ns, inode, device = stamp_of(path.stat())
    seen_ns = ctime_ns + 1_000_000_000  # seen a second after its last change, so that the store trusts it
    return KnownFile(size, mtime_ns, sha256, ctime_ns, inode, device, seen_ns)


def _load(folder: Path, count: int) -> dict[str, object]:
    photos = digests(count)
    start = time.perf_counter()
    store = Store(folder)
    features, found = store.read(KEY, photos, WIDTH)
    seconds = time.perf_counter() - start
    if not found.all() or not features.any(axis=1).all():
        raise RuntimeError(f"{count - int(found.sum())} images are not there")
    return {"seconds": seconds}


def _add(folder: Path, models: Path, kept: Path) -> dict[str, object]:
    options = Options.of(
        str(folder), architecture=ARCHITECTURE, model_dir=str(models), bottleneck_dir=str(kept), offline=True
    )
    store, backbone = Store(kept), prepare(options.network, silent)
    photos = scanned(options, store, silent).photos
    found = extract(photos, backbone, lambda: choose(backbone, "cpu"), store, View(), silent)
    store.close()
    return {"photos": int(found.readable.sum()), "computed": found.pace.computed}


if __name__ == "__main__":
    if sys.argv[1] == "load":
        print(json.dumps(_load(Path(sys.argv[2]), int(sys.argv[3]))))
    else:
        print(json.dumps(_add(*map(Path, sys.argv[2:]))))
