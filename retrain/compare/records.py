"""A run's folder in, what is compared of it out: run.json, read with care, as it may be old or broken."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_image.errors import RunError, UserError
from retrain.runs.record_schema import fault
from retrain.types import Pace


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


def read_record(path: Path) -> dict[str, Any]:
    """The record in a run's folder, or in the run.json that is named itself.

    Raises:
      UserError: there is no such run.
      RunError: it can not be read.
    """
    file = path / "run.json" if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"no run at {path}: name the folder of a run (tf_files/runs/...), in which run.json lies")
    try:
        record = json.loads(file.read_text("utf-8", "surrogateescape"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"cannot read {file}: {_said(error)}; run it again, or leave it out") from None
    if not isinstance(record, dict) or not isinstance(record.get("plan"), dict):
        raise RunError(f"cannot read {file}: it is no record of a run; leave it out")
    found = fault(record)
    if found:
        raise RunError(f"cannot compare {path}: its record is not whole ({found}); run it again")
    return record


def run_of(record: dict[str, Any], name: str, settings: dict[str, str], where: Path, **measured: Any) -> Run:
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
    try:
        curve = record["curve"] or {"steps": (), "validation_accuracy": ()}
        accuracy, low_high = record["accuracy"], record["interval_95"]
        peak = record["runtime"].get("peak_memory_bytes")
        return Run(
            name,
            None if accuracy is None else float(accuracy),
            int(record["tested"]),
            (float(low_high[0]), float(low_high[1])),
            {str(phase): float(seconds) for phase, seconds in record["seconds"].items()},
            tuple(int(step) for step in curve["steps"]),
            tuple(math.nan if share is None else float(share) for share in curve["validation_accuracy"]),
            int(record["plan"]["how_many_training_steps"]),
            None if record["kept_step"] is None else int(record["kept_step"]),
            {
                os.path.normpath(base / photo["path"]): Answer(
                    str(photo["label"]), str(photo["predicted"]), float(photo["score"])
                )
                for photo in record["test_photos"]
            },
            str(record["runtime"]["why"]),
            _pace(record.get("extraction") or {}),  # older records do not have it
            settings,
            None if peak is None else int(peak),
            **measured,
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise RunError(f"cannot compare {where}: its record is not whole ({_said(error)}); run it again") from None


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
    apart = _what_differs([record["plan"] for record in records])
    return [
        run_of(record, name, {flag: str(record["plan"].get(flag, "")) for flag in apart}, path)
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


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())[:120]
    return f"no {text}" if isinstance(error, KeyError) else text or type(error).__name__
