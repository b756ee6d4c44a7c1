"""Defines the public Python interface: trains a classifier and returns the result.

Prints nothing and changes no state of the whole process, except what TensorFlow changes if it is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from label_image.errors import UserError
from retrain.console import Screen
from retrain.options.options import Options
from retrain.pipeline.run import retrain
from retrain.progress import report_progress_to
from retrain.report import REPORT
from retrain.runs.record import RunRecord, read_record

_PRINTED = ("logging_verbosity", "print_misclassified_test_images")  # flags that only affect what is printed


@dataclass(frozen=True)
class Event:
    """A message of a run while it is working."""

    kind: str  # "info", "result" (a line of the command's output), "warning" or "progress"
    text: str  # the line; for progress, the name of what is counted: "photos", "steps"
    done: int = 0  # this and the next field are for progress
    total: int = 0


@dataclass(frozen=True)
class ClassFigures:
    """How well one class is recognised in the test set."""

    label: str
    photos: int  # number of its photos in the test set
    precision: float | None  # 0 to 1: fraction of the photos with this prediction that have this label
    recall: float | None  # 0 to 1: fraction of the photos with this label that have this prediction


@dataclass(frozen=True)
class ExportedFile:
    """A file or folder that was written, with the results of its verification."""

    kind: str  # as its row in exporters/table says; "labels", "checkpoint"
    path: Path
    quantize: str  # how its numbers are stored: "none", "float16", "dynamic" or "int8"
    accuracy: float | None  # 0 to 1, on the photos on which it was run; None if it was not run
    agreement: float | None  # 0 to 1: fraction of these photos with the same label as the trained model


@dataclass(frozen=True)
class Run:
    """The result of a run."""

    folder: Path  # contains its record, its report and a copy of every export
    accuracy: float | None  # 0 to 1, on the test set; None if it is empty
    interval: tuple[float, float]  # the 95% confidence interval of the accuracy
    tested: int  # number of photos in the test set
    labels: tuple[str, ...]  # the classes, in the order of a classifier's scores
    per_class: tuple[ClassFigures, ...]
    exports: tuple[ExportedFile, ...]
    report: Path | None  # the HTML page; None if none was requested
    advice: tuple[str, ...]  # what the audit of the photos advises
    record: RunRecord = field(repr=False)  # everything else: the content of run.json

    def exported(self, kind: str) -> Path:
        """Returns the path of the first export of a kind.

        Raises:
          KeyError: there is none.
        """
        for one in self.exports:
            if one.kind == kind:
                return one.path
        raise KeyError(f"this run exported no {kind}; it has {', '.join(one.kind for one in self.exports)}")


def train(photos: str | os.PathLike[str], *, on_event: Callable[[Event], None] = lambda _: None, **options: Any) -> Run:
    """Trains a classifier on a folder of photos, as `python -m retrain` does.

    Args:
      photos: the folder, with a sub-folder for each class.
      on_event: called with each line that the command would print, and with the progress of long work.
      **options: the flags of `python -m retrain` without their dashes, `docs/flags.md` lists them:
        `how_many_training_steps=500`, `architecture="mobilenet_1.0_224"`.

    Returns:
      the result; relative paths start at the current folder, as for the command.

    Raises:
      UserError: the photos or the options are invalid; the message names the option by the command's flag.
      RunError: the work failed.
      TypeError: there is no such option.
    """
    asked = Options.of(os.fspath(photos), **options)
    for name in _PRINTED:
        if name in options:
            raise UserError(f"{name} is about what the command prints; leave it out, and use on_event")
    if asked.network.cores:
        raise UserError(
            "device=cpu:N holds for a whole process, which belongs to your program; leave it out, or limit your process"
        )
    with report_progress_to(lambda done, total, noun: on_event(Event("progress", noun, done, total))):
        outcome = retrain(asked, _Listener(on_event))
    kept = next(made.kept for made in outcome.exports if made.kept)
    return run_of(read_record(kept.parent))


def run_of(record: RunRecord) -> Run:
    """Makes a Run from the record of a run.

    >>> from retrain.runs.record import RunRecord
    >>> run_of(RunRecord(Path("x"), {"format": 2, "accuracy": 0.5, "tested": 4, "labels": ["a", "b"]})).accuracy
    0.5
    """
    fields = record.fields
    figures = (fields.get("metrics") or {}).get("per_class") or ()
    report = record.folder / REPORT
    return Run(
        record.folder,
        record.accuracy,
        record.interval,
        record.tested,
        record.labels,
        tuple(ClassFigures(one["label"], one["support"], one["precision"], one["recall"]) for one in figures),
        tuple(_exported(one) for one in fields.get("exports") or ()),
        report if report.is_file() else None,
        tuple((fields.get("audit") or {}).get("advice") or ()),
        record,
    )


def _exported(fields: dict[str, Any]) -> ExportedFile:
    return ExportedFile(
        fields["kind"],
        Path(fields["path"]),
        fields.get("quantize", "none"),
        fields.get("accuracy"),
        fields.get("agreement"),
    )


class _Listener(Screen):
    """Passes to the listener what the command would print."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        super().__init__()
        self.terminal, self.logged = True, True  # progress and log lines both become events
        self._on_event = on_event

    def result(self, line: str) -> None:
        """A line of the command's output."""
        self._on_event(Event("result", line))

    def warn(self, line: str) -> None:
        """A warning."""
        self._on_event(Event("warning", line.removeprefix("WARNING: ")))

    def _print(self, line: str, level: str) -> None:
        if level != "DEBUG":
            self._on_event(Event("info", line))
