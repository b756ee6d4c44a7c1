"""Lists the runs as a table of name, time, photos, accuracy and size; removes runs."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import RunError, UserError
from label_image.find_run import RECORD, all_runs
from label_image.process_mark import is_over
from retrain.files.temporary_names import remove, temporary
from retrain.runs.folder import RUNNING, is_name, running
from retrain.runs.record import RunRecord, read_record
from retrain.runs.usual_names import ABOUT, HOME, newest_run


@dataclass(frozen=True)
class ListedRun:
    """One row of the table."""

    folder: Path
    when: str
    photos: str  # the folder of photos
    accuracy: float | None  # 0..1
    bytes: int  # size of its files
    freed: int  # bytes that removing it frees: the size of the files without another hard link
    sure: bool  # whether the folder is certainly a run: it has a record of ours, or the name of a run
    note: str  # whether it is in use or running, what is wrong with its record, or ""


def listed(runs_dir: Path) -> list[ListedRun]:
    """Returns all runs, newest last; a run with an unreadable record is included, with a note."""
    newest = newest_run(HOME)
    return [_run(folder, newest) for folder in all_runs(runs_dir)]


def table(runs: Sequence[ListedRun]) -> list[str]:
    """Returns the lines that `list` prints."""
    rows = [("name", "when", "photos", "accuracy", "size", "")]
    for run in runs:
        accuracy = "-" if run.accuracy is None else f"{run.accuracy:.1%}"
        rows.append((run.folder.name, run.when, run.photos, accuracy, f"{run.bytes / 1e6:.1f} MB", run.note))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = (3, 4)
    lines = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [*lines, f"{len(runs)} runs, {sum(run.bytes for run in runs) / 1e6:.1f} MB"]


def to_prune(runs: Sequence[ListedRun], keep: int) -> list[ListedRun]:
    """Returns the oldest runs, without the `keep` newest; never one in use, one still running, or a folder that may not be a run."""
    old = [run for run in runs if run.sure]
    return [run for run in old[: max(0, len(old) - keep)] if not run.note.startswith(("in use", "still running"))]


def discard(run: ListedRun) -> None:
    """Removes the folder of a run.

    Raises:
      UserError: it is still running, or may not be a run.
      RunError: the folder cannot be removed.
    """
    if not run.sure:
        raise UserError(
            f"cannot remove {run.folder}: it has no {RECORD} and not the name of a run, so it may be something else; "
            "if you do not need it, remove it yourself"
        )
    state = running(run.folder)
    if state and not is_over(state.mark, run.folder / RUNNING):
        raise UserError(f"cannot remove {run.folder.name}: that run is still running; wait for it, or stop it")
    try:
        scratch = temporary(run.folder)
        run.folder.rename(scratch)
        remove(scratch)
    except OSError as error:
        raise RunError(f"cannot remove {run.folder}: {error.strerror or error}") from None


def _run(folder: Path, newest: Path | None) -> ListedRun:
    record, note = _record(folder)
    if newest is not None and os.path.realpath(newest) == os.path.realpath(folder):
        note = ", ".join(filter(None, (f"in use by {HOME}", note)))
    state = running(folder)
    if state and not is_over(state.mark, folder / RUNNING):
        note = ", ".join(filter(None, ("still running", note)))
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(_time(folder)))
    options = record.options if record else {}
    return ListedRun(
        folder,
        when,
        str(options.get("image_dir", "-")),
        record.accuracy if record else None,
        *_sizes(folder),
        not (folder / ABOUT).exists() and (record is not None or is_name(folder.name)),
        note,
    )


def _record(folder: Path) -> tuple[RunRecord | None, str]:
    """Returns the record of a run with a note, or None and the reason."""
    if not (folder / RECORD).exists():
        return None, "no record"
    try:
        record = read_record(folder)
    except (RunError, UserError) as error:
        return None, str(error).removeprefix(f"cannot read {folder / RECORD}: ").partition(";")[0]
    failed = record.fields.get("failed")
    return record, f"its {failed['stage']} failed" if failed else ""


def _time(folder: Path) -> float:
    path = folder / RECORD
    return (path if path.exists() else folder).stat().st_mtime


def _sizes(folder: Path) -> tuple[int, int]:
    """Returns the bytes of all files, and of those without another hard link; a set in use shares its files with a run."""
    states = [path.lstat() for path in folder.rglob("*") if path.is_file()]
    return sum(state.st_size for state in states), sum(state.st_size for state in states if state.st_nlink == 1)
