"""The program `python -m retrain.compare`: compares existing runs or new ones.

The result is a folder, tf_files/comparisons/<time>, which is written when the comparison is complete. It contains
compare.md, compare.json, compare.svg and the records of the new runs.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from label_image.errors import RunError, UserError
from label_image.flags import named_as_typed, parse
from label_image.program import exit_status
from label_image.terminal import say
from retrain.compare.asked import PROGRAM, Comparison, Job, jobs_of, timed

COMPARISONS_DIR = Path("tf_files/comparisons")


def main(argv: Sequence[str]) -> int:
    """Runs `python -m retrain.compare`."""

    def work() -> None:
        asked, words = parse(Comparison, argv, PROGRAM)
        if words and asked != Comparison():
            raise UserError(f"{words[0]!r} is an existing run, but flags are for new runs; give either runs or flags")
        with named_as_typed(Comparison, argv):
            if words:
                compare_existing(words)
            else:
                compare_new(jobs_of(asked))

    return exit_status("compare", work, lambda _: "stopped; no file was written")


def compare_existing(words: Sequence[str]) -> None:
    """Compares existing runs, given by their folders.

    Raises:
      UserError: a folder contains no run.
      RunError: a record is damaged, or the runs have no test photo in common.
    """
    from retrain.compare.findings import find
    from retrain.compare.records import existing_runs

    found = find(existing_runs(words), timed=False)
    if not any(pair.shared for pair in found.pairs):
        raise RunError(
            "these runs have no test photo in common, so they cannot be compared; train both on the same folder with the same --split_seed"
        )
    _write(found, [])


def compare_new(jobs: list[Job]) -> None:
    """Makes a run for each job and compares the runs.

    Raises:
      UserError: a run failed, or a device does not exist; then no file is written.
    """
    from retrain.compare import jobs as processes
    from retrain.compare.findings import find
    from retrain.compare.records import run_of
    from retrain.compare.table import line_of
    from retrain.runs.record import read_record

    note = processes.busy()
    processes.make_ready(jobs)
    runs, records = [], []
    with tempfile.TemporaryDirectory(prefix="retrain-compare-") as scratch:
        stores: dict[tuple[str, ...], Path] = {}
        shared = Path(jobs[0].options.run.bottleneck_dir).absolute()
        if not timed(jobs):
            say("computing the features that all runs share")
            processes.run(
                jobs[0].only_features(), Path(scratch) / "features", Path(jobs[0].options.run.bottleneck_dir).absolute()
            )
        for number, job in enumerate(jobs, 1):
            settings = " ".join(f"--{name}={value}" for name, value in job.settings.items())
            say(f"{number} of {len(jobs)}: {settings}")
            fresh = Path(scratch) / f"features-{len(stores)}"
            store = stores.setdefault(job.extraction, fresh if timed(jobs) else shared)
            done = processes.run(job, Path(scratch) / f"run-{number}", store)
            measured: dict[str, Any] = {
                "group": job.group,
                "round": job.round,
                "wall_s": done.wall_s,
                "host_peak_bytes": done.peak_bytes,
            }
            if timed(jobs):
                measured["bottleneck_dir"] = store
            runs.append(run_of(read_record(done.record), job.name, job.settings, done.record, **measured))
            records.append(done.record)
            say(line_of(runs[-1]))
        _write(find(runs, timed(jobs), note), records)


def _write(found: Any, records: Sequence[Path]) -> None:
    """Prints the comparison and writes its folder atomically."""
    from retrain.compare import chart, table
    from retrain.files.atomic import replacing

    text = table.markdown(found)
    folder = _new_folder()
    with replacing(folder) as scratch:
        scratch.mkdir()
        (scratch / "compare.md").write_text(f"# {' | '.join(run.name for run in found.runs)}\n\n{text}", "utf-8")
        whole = {"format": 1, **dataclasses.asdict(found), "sentences": [pair.sentence for pair in found.pairs]}
        (scratch / "compare.json").write_text(json.dumps(whole, indent=1, default=str), "utf-8", "surrogateescape")
        chart.write(found, scratch / "compare.svg")
        for number, (record, run) in enumerate(zip(records, found.runs, strict=False), 1):
            name = re.sub(r"[^A-Za-z0-9._-]+", "_", run.name)[:60]
            home = scratch / "runs" / f"{number}-{name}"
            home.mkdir(parents=True)
            shutil.copyfile(record, home / "run.json")
    for line in ("", *text.split("\n"), *(f"wrote {path}" for path in sorted(folder.iterdir()))):
        say(line)


def _new_folder() -> Path:
    stem = time.strftime("%Y%m%d-%H%M%S")
    folder, number = COMPARISONS_DIR / stem, 2
    while folder.exists():
        folder, number = COMPARISONS_DIR / f"{stem}-{number}", number + 1
    return folder
