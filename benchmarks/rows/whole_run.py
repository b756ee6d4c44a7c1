"""The whole job as a process: the first run in an empty folder, and the second one, whose features are kept."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench, photos_in
from benchmarks.process import run
from benchmarks.row import Row, in_turn
from benchmarks.rows.extraction import the_limit
from retrain.plan import Plan

_TENSORFLOW = re.compile(r"^import time:.*\| +(tensorflow\S*)$", re.MULTILINE)


def rows(bench: Bench) -> Iterator[Row]:
    """Times with default flags, and whether TensorFlow was imported."""
    folder = bench.photo_folder(6)
    command = ["-m", "retrain", f"--image_dir={folder}"]
    photos = photos_in(folder)
    limit = the_limit(bench.backbone(), photos)

    def first() -> float:
        return run(command, bench.folder("first_run")).seconds

    works = {"first": first, "bound": lambda: 1.25 * limit() + 3}
    times = in_turn(works, bench.repeat)
    what = f"run on {len(photos):,} photos, default flags"
    empty = "in an empty folder: the network is made ready too"
    yield Row(f"first {what}", "s", times["first"], "1.25 x (decode + forward) + 3 s", times["bound"], 1.0, note=empty)
    here = bench.scratch / "first_run"
    has_report = "report" in {field.name for field in dataclasses.fields(Plan)}
    off = [*command, "--report=none"] if has_report else command
    works = {"off": lambda: run(off, here).seconds}
    if has_report:
        works["on"] = lambda: run(command, here).seconds
    for work in works.values():
        work()
    times = in_turn(works, bench.repeat)
    yield Row(f"second {what}, no report", "s", times["off"], at_most=2.0, note="" if has_report else _NO_REPORT)
    if has_report:
        yield Row(f"second {what}, with its report", "s", times["on"], at_most=3.5)
    yield _imported(f"second {what}: modules of TensorFlow imported", command, here, at_most=0)
    yield _imported(f"first {what}: modules of TensorFlow imported", command, bench.folder("first_run"))


_NO_REPORT = "there is no report to leave out yet"


def _imported(what: str, command: list[str], folder: Path, at_most: float | None = None) -> Row:
    """One run more, in which Python says what it imports; also in the processes that it starts."""
    found = _TENSORFLOW.findall(run(command, folder, {"PYTHONPROFILEIMPORTTIME": "1"}).errors)
    return Row(what, "", (float(len(found)),), at_most=at_most, note=f"{found[-1]} is one" if found else "")
