"""Runs the robustness tests, and writes the results to docs/reliability.md.

    python -m benchmarks.torture [--only kills,pictures] [--seed 0] [--scale 1.0] [--out docs/reliability.md]

The exit status is 1 if a trial failed or could not be made. The same seed gives the same trials; only the moment at which
a kill interrupts the program depends on the machine.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.torture.ground import ROOT, Ground
from benchmarks.torture.tally import Tally
from retrain.files.atomic import replacing

KINDS = ("streams", "crowd", "disks", "readers", "pictures", "stores", "graphs", "kills")
_SHARED = ROOT.parent / "shared/data"
_BEGIN, _END = "<!-- begin: python -m benchmarks.torture -->", "<!-- end -->"
_SHOWN = 5  # most failures of one kind that are printed


def main(argv: Sequence[str]) -> int:
    """Runs the program; returns the exit status."""
    options = _options(argv)
    kinds = options.only.split(",") if options.only else list(KINDS)
    unknown = [name for name in kinds if name not in KINDS]
    if unknown:
        print(f"torture: {unknown[0]!r} is not a kind of test; choose from {', '.join(KINDS)}", file=sys.stderr)
        return 2
    for flag, folder in (("--photos", options.photos), ("--models", options.models)):
        if not folder.is_dir():
            print(
                f"torture: real photos and weights are needed, but there is no folder {folder}; name one with {flag}",
                file=sys.stderr,
            )
            return 1
    start = time.perf_counter()
    tallies = []
    with tempfile.TemporaryDirectory(prefix="torture-") as scratch:
        ground = Ground(options.photos.resolve(), options.models.resolve(), Path(scratch), options.seed, options.scale)
        for name in kinds:
            tally = importlib.import_module(f"benchmarks.torture.{name}").tried(ground)
            tallies.append(tally)
            print(said(tally), flush=True)
    about = f"seed {options.seed}, scale {options.scale:g}, {time.perf_counter() - start:,.0f} s, {_machine()}"
    if options.out:
        write(options.out, tallies, about)
        print(f"wrote {options.out}")
    return 1 if any(tally.failures or tally.missing for tally in tallies) else 0


def said(tally: Tally) -> str:
    """Returns a line for one kind, and its first failures."""
    line = f"{tally.kind}: {tally.tried:,} trials, {tally.survived:,} passed, {len(tally.failures)} failed, {tally.seconds:.0f} s"
    if tally.missing:
        line += f"; {tally.missing}"
    shown = [f"  {failure}" for failure in tally.failures[:_SHOWN]]
    more = len(tally.failures) - len(shown)
    return "\n".join([line, *shown, *([f"  and {more} more"] if more > 0 else [])])


def table(tallies: Sequence[Tally], about: str) -> str:
    """Returns the rows as Markdown."""
    rows = ["| kind | test | trials | passed | failed |", "|---|---|---|---|---|"]
    for tally in tallies:
        failed = tally.missing or str(len(tally.failures))
        rows.append(f"| {tally.kind} | {tally.what} | {tally.tried:,} | {tally.survived:,} | {failed} |")
    return "\n".join([*rows, "", f"({about})"])


def write(path: Path, tallies: Sequence[Tally], about: str) -> None:
    """Writes the table between its marks in a document.

    Raises:
      ValueError: the marks are not there.
    """
    before, _, rest = path.read_text("utf-8").partition(_BEGIN)
    _, mark, after = rest.partition(_END)
    if not mark:
        raise ValueError(f"{path} lacks the lines {_BEGIN} and {_END}")
    with replacing(path) as scratch:
        scratch.write_text(f"{before}{_BEGIN}\n{table(tallies, about)}\n{_END}{after}", "utf-8")


def _machine() -> str:
    facts = machine()
    return f"{facts['processor']}, {facts['cores']} cores"


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torture", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help=f"kinds of tests, separated by commas: {', '.join(KINDS)}")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random choices (default: 0)")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the trials that are made (default: 1)")
    parser.add_argument(
        "--photos", type=Path, default=_SHARED / "flower_photos", help="real photos, one folder for each class"
    )
    parser.add_argument("--models", type=Path, default=_SHARED / "models", help="original MobileNet archives")
    parser.add_argument("--out", type=Path, default=None, help="the document in which the table is replaced")
    return parser.parse_args(argv)


if __name__ == "__main__":
    from label_image.program import run_program

    run_program("benchmarks.torture.__main__")
