"""Runs eight trainings at once in one folder, on two sets of photos.

A trial passes if each training succeeds and has a run folder of its own with a complete record, and if the files under the
usual names all belong to one training.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.torture.ground import Ended, Ground, run
from benchmarks.torture.tally import Tally
from benchmarks.torture.whole import set_problem, temporary_names

PROCESSES = 8


def tried(ground: Ground) -> Tally:
    """Starts the trainings together, several times."""
    tally = Tally("concurrent runs", f"{PROCESSES} trainings at once in one folder, four on each of two sets of photos")
    for turn in range(ground.times(3, 1)):
        folder = ground.copy_of(ground.home("a"), f"crowd_{turn}")
        before = len(list(folder.glob("tf_files/runs/*/run.json")))
        with ThreadPoolExecutor(PROCESSES) as pool:
            ended = list(pool.map(_one, [ground] * PROCESSES, [folder] * PROCESSES, range(PROCESSES)))
        for place, done in enumerate(ended):
            fine = done.status == 0 and "Traceback" not in done.errors
            tally.add("" if fine else f"exit status {done.status}: {done.last}", f"turn {turn}, training {place}")
        tally.add(_together(ground, folder, before), f"turn {turn}, all of them together")
    return tally.done()


def _one(ground: Ground, folder: Path, place: int) -> Ended:
    return run(ground.retrain("ab"[place % 2], "--export=tflite,pb"), folder, timeout_s=300)


def _together(ground: Ground, folder: Path, before: int) -> str:
    records = list(folder.glob("tf_files/runs/*/run.json"))
    if len(records) - before != PROCESSES:
        return f"{len(records) - before} run folders instead of {PROCESSES}"
    for path in records:
        try:
            json.loads(path.read_text("utf-8"))
        except ValueError as error:
            return f"{path.parent.name} has an incomplete record: {error}"
    left = temporary_names(folder)
    return set_problem(folder, ground, "ab") or (f"{', '.join(left[:3])} is left" if left else "")
