"""Measures the whole job as a process: the first run in an empty folder, and the second run, which reads stored features."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import RUN, Bench, photos_in
from benchmarks.process import ROOT, run
from benchmarks.row import Row
from benchmarks.rows.extraction import the_limit

# Each process prints at its end which modules it imported.
_SPY = """import atexit, os, pathlib, sys

def tell():
    here = pathlib.Path(__file__).with_name(f"modules.{os.getpid()}")
    here.write_text(" ".join(sys.modules), "utf-8")

atexit.register(tell)
"""


def rows(bench: Bench) -> Iterator[Row]:
    """Measures times with default flags, and whether TensorFlow was imported."""
    folder = bench.photo_folder(8)
    photos, here = photos_in(folder), bench.scratch / RUN
    command = ["-m", "retrain", f"--image_dir={folder}"]
    limit = the_limit(bench.backbone(), photos)
    imported: dict[str, set[str]] = {}

    def first() -> float:
        seconds, imported["first"] = _spied(bench, command, bench.folder(RUN))
        return seconds

    times = bench.turns({"first": first, "bound": lambda: 1.25 * limit() + 3})
    what = f"run on {len(photos):,} photos, default flags"
    note = f"in an empty folder, so that the network is made ready too; {_said(imported['first'])}"
    yield Row(f"first {what}", "s", times["first"], "1.25 x (decode + forward) + 3 s", times["bound"], 1.0, note=note)
    for name, (flags, most) in _reports().items():

        def second(name: str = name, flags: tuple[str, ...] = flags) -> float:
            seconds, imported[name] = _spied(bench, [*command, *flags], here)
            return seconds

        yield Row(f"second {what}, {name}", "s", bench.turns({"ours": second})["ours"], at_most=most)
        what_imported = f"second {what}, {name}: modules of TensorFlow imported"
        yield Row(what_imported, "", (float(len(imported[name])),), at_most=0)


def _reports() -> dict[str, tuple[tuple[str, ...], float]]:
    """Returns the variants of the second run: name -> (flags, goal in seconds)."""
    return {"no report": (("--report=none",), 2.0), "with its report": ((), 3.5)}


def _spied(bench: Bench, command: list[str], folder: Path) -> tuple[float, set[str]]:
    """Returns (seconds of the process, TensorFlow modules that it or its children imported)."""
    spy = bench.folder("spy")
    (spy / "sitecustomize.py").write_text(_SPY, "ascii")
    done = run(command, folder, {"PYTHONPATH": os.pathsep.join((str(spy), str(ROOT)))})
    said = [path.read_text("utf-8").split() for path in spy.glob("modules.*")]
    if not any("retrain.pipeline.run" in names for names in said):
        raise RuntimeError("the process did not say what it had imported")
    return done.seconds, {name for names in said for name in names if name.split(".")[0] == "tensorflow"}


def _said(modules: set[str]) -> str:
    return f"{len(modules):,} modules of TensorFlow were imported" if modules else "TensorFlow was not imported"
