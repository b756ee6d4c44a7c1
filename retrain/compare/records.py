"""What is compared of a run, taken from its record."""

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

# What a run cannot be compared without; records of version 1 may lack some.
_COMPARED = ("plan", "accuracy", "interval_95", "tested", "seconds", "curve", "kept_step", "test_photos", "runtime")


@dataclass(frozen=True)
class Answer:
    """What a run says of one test photo."""

    label: str  # the true one
    predicted: str
    score: float  # of the label predicted, 0..1


@dataclass(frozen=True)
class Run:
    """One run, as far as it is compared."""

    name: str
    accuracy: float | None  # 0..1
    tested: int
    interval: tuple[float, float]
    seconds: dict[str, float]  # by phase, in the order they were done
    steps: tuple[int, ...]  # evaluated
    validation_accuracy: tuple[float, ...]  # 0..1, at each of them
    all_steps: int  # of the training
    kept_step: int | None  # the one whose weights are the result
    answers: dict[str, Answer]  # test photo's path -> answer
    why: str  # what ran the network
    pace: Pace
    settings: dict[str, str]  # the flags by which the runs differ
    device_peak_bytes: int | None = None
    group: str = ""  # runs of one group differ by their seeds alone; "" where that was not asked
    round: str = ""  # runs of one round have the same seeds
    wall_s: float | None = None  # of the whole process
    host_peak_bytes: int | None = None
    bottleneck_dir: Path | None = None  # its own features, where no other run has written

    @property
    def best_validation(self) -> float | None:
        """The best validation accuracy, 0..1; None where nothing was validated."""
        return max((share for share in self.validation_accuracy if share == share), default=None)  # noqa: PLR0124 - not nan


def run_of(record: RunRecord, name: str, settings: dict[str, str], where: Path, **measured: Any) -> Run:
    """A Run from its record.

    Args:
      record: of `read_record`.
      name: what to call it.
      settings: what sets it apart.
      where: the run's folder; photos are named from the folder in which its tf_files lies.
      **measured: of the process, where it was ours.

    Raises:
      RunError: the record lacks what is compared.
    """
    base = next((folder.parent for folder in where.absolute().parents if folder.name == "tf_files"), Path.cwd())
    peak = record.runtime.get("peak_memory_bytes")
    if record.failed:
        raise RunError(f"cannot compare {where}: the run failed ({record.failed}); run it again")
    missing = [name for name in _COMPARED if name not in record.fields]
    if missing:
        raise RunError(f"cannot compare {where}: its record has no {missing[0]!r}; run it again")
    return Run(
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


def existing_runs(words: Sequence[str]) -> list[Run]:
    """The runs named.

    Raises:
      UserError: there are not two of them, or one is named twice.
      RunError: one can not be read.
    """
    if len(words) < 2:
        raise UserError(f"{words[0]} alone is nothing to compare: name two runs (tf_files/runs/...)")
    paths = [Path(word) for word in words]
    if len({path.resolve() for path in paths}) < len(paths):
        raise UserError("a run is named twice; name each once")
    records = [read_record(path) for path in paths]
    names = [(path.parent if path.is_file() else path).resolve().name for path in paths]
    if len(set(names)) < len(names):
        names = list(words)
    apart = _what_differs([record.options for record in records])
    return [
        run_of(record, name, {flag: str(record.options.get(flag, "")) for flag in apart}, path)
        for record, name, path in zip(records, names, paths, strict=True)
    ]


def _what_differs(all_options: Sequence[dict[str, Any]]) -> list[str]:
    """The flags that the runs do not share, but for those that only say where files go."""
    flags = list(dict.fromkeys(flag for options in all_options for flag in options))
    places = ("_dir", "_path", "_folder")
    return [
        flag
        for flag in flags
        if not flag.startswith("output_")
        and not flag.endswith(places)
        and len({json.dumps(options.get(flag)) for options in all_options}) > 1
    ]
