"""Reads from the record of a run what a comparison needs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_image.errors import RunError, UserError
from retrain.runs.record import RunRecord, read_record
from retrain.types import Pace

# Fields without which a run cannot be compared; records of format 1 may lack some.
_COMPARED = ("plan", "accuracy", "interval_95", "tested", "seconds", "curve", "kept_step", "test_photos", "runtime")


@dataclass(frozen=True)
class Answer:
    """The prediction of a run for one test photo."""

    label: str  # the true label
    predicted: str
    score: float  # of the predicted label, 0..1


@dataclass(frozen=True)
class ComparedRun:
    """One run of a comparison."""

    name: str
    accuracy: float | None  # on the test set, 0..1
    tested: int
    interval: tuple[float, float]  # 95% confidence interval of the accuracy
    seconds: dict[str, float]  # by phase, in the order of the phases
    steps: tuple[int, ...]  # steps with an evaluation
    validation_accuracy: tuple[float, ...]  # 0..1, at each of `steps`
    all_steps: int  # number of training steps
    kept_step: int | None  # the step whose weights were kept
    answers: dict[str, Answer]  # by the path of the test photo
    why: str  # which runtime ran the network, and why
    pace: Pace
    settings: dict[str, str]  # the flags by which the runs differ
    device_peak_bytes: int | None = None
    group: str = ""  # runs of one group differ only by their seeds; "" for existing runs
    round: str = ""  # runs of one round have the same seeds
    wall_s: float | None = None  # duration of the whole process
    host_peak_bytes: int | None = None
    bottleneck_dir: Path | None = None  # the store of its features, if no other run wrote to it

    @property
    def best_validation(self) -> float | None:
        """Returns the best validation accuracy, 0..1; None if the validation set is empty."""
        return max((found for found in self.validation_accuracy if found == found), default=None)  # noqa: PLR0124 - not nan


def run_of(record: RunRecord, name: str, settings: dict[str, str], where: Path, **measured: Any) -> ComparedRun:
    """Makes a ComparedRun from a record.

    Args:
      record: from `read_record`.
      name: the name of the run in the comparison.
      settings: the flags by which it differs from the others.
      where: the folder of the run; paths of photos are relative to the folder that contains its tf_files.
      **measured: measurements of the process, for a new run.

    Raises:
      RunError: the run failed, or its record lacks a field.
    """
    base = next((folder.parent for folder in where.absolute().parents if folder.name == "tf_files"), Path.cwd())
    peak = record.runtime.get("peak_memory_bytes")
    if record.failed:
        raise RunError(f"cannot compare {where}: that run failed ({record.failed}); run it again")
    missing = [name for name in _COMPARED if name not in record.fields]
    if missing:
        raise RunError(f"cannot compare {where}: {missing[0]!r} is missing in its record; run it again")
    return ComparedRun(
        name,
        record.accuracy,
        record.tested,
        record.interval,
        record.seconds,
        record.steps,
        record.validation_accuracy,
        int(record.options.get("how_many_training_steps", 0)),
        record.kept_step,
        {
            os.path.normpath(base / photo["path"]): Answer(photo["label"], photo["predicted"], float(photo["score"]))
            for photo in record.test_photos
        },
        str(record.runtime.get("why", "")),
        _pace(record.extraction),
        settings,
        None if peak is None else int(peak),
        **measured,
    )


def _pace(fields: dict[str, Any]) -> Pace:
    return Pace(
        int(fields.get("computed", 0)),
        float(fields.get("seconds", 0)),
        int(fields.get("first", 0)),
        float(fields.get("first_seconds", 0)),
    )


def existing_runs(words: Sequence[str]) -> list[ComparedRun]:
    """Reads the named runs.

    Raises:
      UserError: there are fewer than two, or one is named twice.
      RunError: a run cannot be read.
    """
    if len(words) < 2:
        raise UserError(f"cannot compare {words[0]} alone: name two runs (tf_files/runs/...)")
    paths = [Path(word) for word in words]
    if len({path.resolve() for path in paths}) < len(paths):
        raise UserError("cannot compare a run with itself: a run is named twice; name each once")
    records = [read_record(path) for path in paths]
    names = [(path.parent if path.is_file() else path).resolve().name for path in paths]
    if len(set(names)) < len(names):
        names = list(words)
    different = _different_flags([record.options for record in records])
    return [
        run_of(record, name, {flag: str(record.options.get(flag, "")) for flag in different}, path)
        for record, name, path in zip(records, names, paths, strict=True)
    ]


def _different_flags(all_options: Sequence[dict[str, Any]]) -> list[str]:
    """Returns the flags whose values differ between the runs, except those that only name output files."""
    flags = list(dict.fromkeys(flag for options in all_options for flag in options))
    places = ("_dir", "_path", "_folder")
    return [
        flag
        for flag in flags
        if not flag.startswith("output_")
        and not flag.endswith(places)
        and len({json.dumps(options.get(flag)) for options in all_options}) > 1
    ]
