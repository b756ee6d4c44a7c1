"""Defines the eleven commands that are killed: the initial state, what must hold at any moment, and what a rerun must produce."""

from __future__ import annotations

import csv
import json
import os
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.torture.ground import Ground
from benchmarks.torture.whole import set_problem

Check = Callable[[Path], str]  # a folder -> what is wrong, "" if nothing is


@dataclass(frozen=True)
class KilledCommand:
    """One command line that runs in a copy of a folder."""

    name: str
    words: tuple[str, ...]  # after `python -m`
    start: Path  # the folder that is copied before the run
    at_any_moment: Check  # what must hold after a kill
    in_the_end: Check  # what must hold after the same command ran again to its end
    again: tuple[int, ...] = (0,)  # allowed exit statuses of the rerun


def commands(ground: Ground) -> list[KilledCommand]:
    """Returns the eleven commands, with the folders in which they start."""
    empty = ground.folder("start_empty")
    ground.home()  # copies the weights
    a, b = ground.home("a"), tuple(ground.retrain("b"))
    device = (*ground.retrain("b"), "--export=tflite,pb,device_folder")
    snapshots = (*ground.retrain("b"), "--snapshot_steps=50")
    return [
        KilledCommand("a first training", tuple(ground.retrain("a")), empty, _set(ground, "a-"), _set(ground, "a")),
        KilledCommand("a second training, on other photos", b, a, _set(ground, "ab"), _set(ground, "b")),
        KilledCommand("a training with a device folder", device, a, _set(ground, "ab"), _device(ground)),
        KilledCommand("a training with snapshots", snapshots, a, _set(ground, "ab"), _set(ground, "b")),
        KilledCommand("the report", ("retrain.report",), a, _report_whole, _report_there),
        _convert_csv(ground),
        _convert_mnist(ground),
        _cache_import(ground),
        _sort(ground),
        _explain(ground),
        _output(ground),
    ]


def _set(ground: Ground, allowed: str) -> Check:
    return lambda folder: set_problem(folder, ground, allowed)


def _device(ground: Ground) -> Check:
    def check(folder: Path) -> str:
        device = folder / "tf_files/device"
        names = {path.name for path in device.iterdir()} if device.is_dir() else set()
        missing = {"model.tflite", "labels.txt", "run.py"} - names
        return set_problem(folder, ground, "b") or (f"the device folder lacks {missing}" if missing else "")

    return check


def _reports(folder: Path) -> list[str]:
    return [path.read_text("utf-8") for path in folder.glob("tf_files/runs/*/report.html") if not path.is_symlink()]


def _report_whole(folder: Path) -> str:
    return "" if all(page.rstrip().endswith("</html>") for page in _reports(folder)) else "half a page"


def _report_there(folder: Path) -> str:
    return _report_whole(folder) if _reports(folder) else "no report"


def _nothing(_: Path) -> str:
    return ""


def _count(folder: Path, pattern: str, wanted: int) -> str:
    found = sum(path.is_file() for path in folder.glob(pattern))
    return "" if found == wanted else f"{found} files instead of {wanted}"


def _none_or(wanted: int, pattern: str) -> Check:
    """Checks that a data set is complete or absent."""

    def check(folder: Path) -> str:
        return _count(folder, pattern, wanted) if (folder / "made").exists() else ""

    return check


def _convert_csv(ground: Ground) -> KilledCommand:
    start = ground.folder("start_csv")
    photos = ground.some_photos("a")
    rows = [(str(path.relative_to(photos)), path.parent.name) for path in sorted(photos.glob("*/*.jpg"))]
    with (start / "photos.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    words = ("retrain.convert", "csv", "photos.csv", "made", f"--root={photos}")
    there = "made/*/*.jpg"
    return KilledCommand(
        "retrain.convert csv", words, start, _none_or(len(rows), there), lambda folder: _count(folder, there, len(rows)), (0, 2)
    )  # fmt: skip


def _convert_mnist(ground: Ground) -> KilledCommand:
    start, count = ground.folder("start_mnist"), 3000
    pixels = ground.rng(1).integers(0, 256, (count, 784), np.uint8)
    (start / "idx").mkdir()
    head = struct.pack(">4I", 0x803, count, 28, 28)
    (start / "idx/train-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
    labels = bytes(number % 10 for number in range(count))
    (start / "idx/train-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, count) + labels)
    there = "made/**/*.png"
    return KilledCommand(
        "retrain.convert mnist", ("retrain.convert", "mnist", "idx", "made"), start,
        _none_or(count, there), lambda folder: _count(folder, there, count), (0, 2),
    )  # fmt: skip


def _cache_import(ground: Ground) -> KilledCommand:
    start, photos = ground.folder("start_import"), ground.some_photos("a")
    rng = ground.rng(2)
    for photo in sorted(photos.glob("*/*.jpg")):
        folder = start / "texts" / photo.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        numbers = ",".join(f"{value:.6f}" for value in rng.random(2048))
        (folder / f"{photo.name}.txt").write_text(numbers, "ascii")
    words = ("retrain.cache", "import", "texts", f"--image_dir={photos}")
    return KilledCommand("retrain.cache import", words, start, _nothing, _nothing)


def _sort(ground: Ground) -> KilledCommand:
    start = ground.copy_of(ground.home("a"), "start_sort")
    shutil.copytree(ground.some_photos("a"), start / "new")
    sizes = sorted(path.stat().st_size for path in start.glob("new/*/*.jpg"))

    def none_lost(folder: Path) -> str:
        kept = {path.stat().st_size for place in ("new", "sorted") for path in (folder / place).rglob("*.jpg")}
        return "" if kept >= set(sizes) else f"{len(set(sizes) - kept)} photos are lost"

    def all_sorted(folder: Path) -> str:
        found = sorted(path.stat().st_size for path in (folder / "sorted").rglob("*.jpg"))
        return "" if found == sizes else f"{len(found)} of {len(sizes)} photos are sorted"

    words = ("label_image", "--image=new", "--sort_into=sorted", "--move", "--format=csv")
    # If all photos were moved before the kill, none is left to label, which is exit status 1.
    return KilledCommand("label_image --sort_into --move", words, start, none_lost, all_sorted, (0, 1))


def _explain(ground: Ground) -> KilledCommand:
    start, photos = ground.home("a"), ground.some_photos("a")
    count = sum(1 for _ in photos.glob("*/*.jpg"))

    def whole(folder: Path) -> str:
        from PIL import Image

        try:
            for path in folder.glob("maps/*.png"):
                with Image.open(path) as picture:
                    picture.load()
        except OSError as error:
            return f"half a picture: {error}"
        return ""

    words = ("label_image", f"--image={photos}", "--explain=maps", "--format=csv")
    return KilledCommand(
        "label_image --explain", words, start, whole, lambda folder: whole(folder) or _at_least(folder, "maps/*", count)
    )  # fmt: skip


def _at_least(folder: Path, pattern: str, wanted: int) -> str:
    found = sum(1 for _ in folder.glob(pattern))
    return "" if found >= wanted else f"{found} files instead of {wanted}"


def _output(ground: Ground) -> KilledCommand:
    start, photos = ground.home("a"), ground.some_photos("a")
    count = sum(1 for _ in photos.glob("*/*.jpg"))

    def whole_or_none(folder: Path) -> str:
        path = folder / "labels.json"
        return "" if not path.exists() else _rows(path, count)

    words = ("label_image", f"--image={photos}", "--format=json", "--output=labels.json")
    return KilledCommand(
        "label_image --output", words, start, whole_or_none, lambda folder: _rows(folder / "labels.json", count)
    )


def _rows(path: Path, wanted: int) -> str:
    try:
        found = len(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        return f"{path.name} is not whole: {os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error}"
    return "" if found == wanted else f"{found} rows instead of {wanted}"
