"""Runs all benchmarks beside their baselines, and writes benchmarks/results.md and results.json.

    python -m benchmarks [--size smallest] [--only extraction,head] [--repeat 5]

`--long` adds the rows that take an hour each. Rows that could not be measured are listed, and the exit status is then 1.
A goal that is missed is a figure in the table, not a failure.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import results
from benchmarks.bench import Bench
from benchmarks.machine import load, machine
from benchmarks.row import Row

HERE = Path(__file__).resolve().parent
SHARED = HERE.parent.parent / "shared" / "data"
ROOMS = (
    "extraction", "int8", "large_photos", "inception", "head", "whole_run", "start", "folder", "store", "memory", "classes",
)  # fmt: skip


def main(_: Sequence[str] = ()) -> int:
    """Runs the program; returns the exit status."""
    options = _options()
    rooms = options.only.split(",") if options.only else ROOMS
    unknown = [name for name in rooms if name not in ROOMS]
    if unknown:
        print(f"benchmarks: {unknown[0]!r} is not a group of rows; choose from {', '.join(ROOMS)}", file=sys.stderr)
        return 2
    for flag, folder in (("--photos", options.photos), ("--models", options.models)):
        if not folder.is_dir():
            print(
                f"benchmarks: cannot measure without real photos and weights: no folder {folder}; name one with {flag}",
                file=sys.stderr,
            )
            return 1
    about = {**machine(), "size": options.size, "repeat": options.repeat, "load_at_start": load()}
    groups: dict[str, list[Row]] = {}
    failed = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        models = Path(scratch, "models")
        shutil.copytree(options.models, models, copy_function=shutil.copyfile)
        bench = Bench(
            options.photos.resolve(), models, Path(scratch), options.repeat, options.size == "full", options.long
        )
        for name in rooms:
            rows = groups[name] = []
            try:
                for row in rows_of(name, bench):
                    rows.append(row)
                    print(results.line(row), flush=True)
            except Exception:  # a failure in one group must not lose the results of the others
                traceback.print_exc()
                failed.append(name)
            results.write(options.out, {**about, "load_at_end": load(), "failed": failed}, groups)
    print(f"wrote {options.out / 'results.md'} and {options.out / 'results.json'}")
    if failed:
        print(f"benchmarks: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def rows_of(name: str, bench: Bench) -> Iterator[Row]:
    """Yields the rows of one group, each as soon as it is measured."""
    rows: Iterator[Row] = importlib.import_module(f"benchmarks.rows.{name}").rows(bench)
    return rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=("smallest", "full"), default="full")
    parser.add_argument("--only", default="", help=f"groups of rows, separated by commas: {', '.join(ROOMS)}")
    parser.add_argument("--photos", type=Path, default=SHARED / "flower_photos")
    parser.add_argument("--models", type=Path, default=SHARED / "models")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--long", action="store_true", help="memory: 100,000 photos instead of 20,000")
    parser.add_argument("--out", type=Path, default=HERE)
    return parser.parse_args()


if __name__ == "__main__":
    from label_image.program import run_program

    run_program("benchmarks.__main__")
