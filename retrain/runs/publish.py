"""Publishes the exports of a run: gives the files in its folder the names outside it that the user asked for.

The usual names in tf_files change all at once (`usual_names`). Names that the user chose need one rename each: all files
are first written under temporary names beside the targets and then renamed in one loop. Until the loop ends, `.running`
in the folder of the run contains the targets, so that the next run can complete a publication that was interrupted. Runs
that end at the same time wait for each other.
"""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_image.errors import RunError
from label_image.find_run import RECORD, all_runs
from label_image.process_mark import mark
from retrain.files.atomic import is_special, replacing
from retrain.files.hard_links import second_name
from retrain.files.temporary_names import remove
from retrain.runs.folder import Running, killed_runs
from retrain.runs.usual_names import NAMES, Earlier, NoLinksError, change, is_usual, keep_strangers

_LONGEST_WAIT_S = 60  # longest wait for another run that publishes, which takes a few hundredths of a second


@dataclass(frozen=True)
class Member:
    """One file or folder to publish."""

    name: str  # its name in the folder of the run
    target: Path  # the path that the user asked for


def publish(run: Path, members: Sequence[Member], runs_dir: Path) -> Earlier:
    """Publishes the files of a run.

    Args:
      run: the folder of the run; it contains the record, and all members are complete and flushed to the disk.
      members: the files and their targets.
      runs_dir: contains the folders of the runs.

    Returns:
      what the usual names referred to before.

    Raises:
      RunError: a target cannot be written; all files are still in the folder of the run.
    """
    targets = tuple((member.name, str(member.target.absolute())) for member in members)
    try:
        Running(mark(), targets).write(run)
        with _turns([runs_dir, *(Path(target).parent for _, target in targets)]):
            _finish(runs_dir)
            earlier = _give_names(run, targets, runs_dir)
            Running(mark()).write(run)
        for name, text in targets:
            if is_special(Path(text)):  # writing to a pipe may wait for its reader, so it is done without the lock
                _pour(run / name, Path(text))
    except OSError as error:
        what = f"{error.filename2 or error.filename or run}: {error.strerror or error}"
        raise RunError(f"cannot write {what}; the exported files are in {run}") from None
    return earlier


def finish_killed(runs_dir: Path) -> list[str]:
    """Completes the publications that killed runs began, and removes the folders of killed runs that produced nothing.

    Returns:
      a line for each classifier that was published now, or that could not be published.
    """
    if not runs_dir.is_dir():
        return []
    with _turns([runs_dir]):  # another run may be doing the same, or publishing its own files
        return _finish(runs_dir)


def _finish(runs_dir: Path) -> list[str]:
    lines = []
    for run, state in killed_runs(runs_dir):
        try:
            _give_names(run, state.targets, runs_dir)
            lines.append(f"the run {run} was stopped while it replaced its output files; this is complete now")
        except OSError as error:
            lines.append(
                f"cannot write the output files of the run {run}: {error.strerror or error}; they are kept in its folder"
            )
        with contextlib.suppress(OSError):
            (run / ".running").unlink(missing_ok=True)
    return lines


def members_of(run: Path, record: Mapping[str, Any]) -> list[Member]:
    """Returns the files that an older run kept, with their targets, from its record.

    Raises:
      RunError: it kept no file.
    """
    found = []
    for export in record.get("exports", []):
        name = Path(str(export.get("kept") or "")).name
        if name and (run / name).exists():
            found.append(Member(name, Path(export.get("asked") or export["path"])))
    if not found:
        raise RunError(
            f"the run {run} contains no exported files: it was made by an earlier version, or they were deleted; train again"
        )
    return found


def stands(members: Sequence[Member]) -> bool:
    """Whether any target exists, so that publishing would replace an earlier classifier."""
    return any(member.target.exists() and not is_special(member.target) for member in members)


def about(record: dict[str, Any]) -> str:
    """Describes a run in a few words: its folder of photos and its accuracy."""
    folder, accuracy = record.get("plan", {}).get("image_dir", ""), record.get("accuracy")
    return f"{folder} ({accuracy:.1%})" if isinstance(accuracy, float) else str(folder)


def _give_names(run: Path, targets: Sequence[tuple[str, str]], runs_dir: Path) -> Earlier:
    """Renames the files to their targets; it can be repeated after a kill at any point."""
    usual: dict[Path, list[str]] = {}
    own: list[tuple[str, Path]] = []
    for name, text in targets:
        target = Path(text)
        if is_usual(target) and name == target.name:
            usual.setdefault(target.parent, []).append(name)
        else:
            own.append((name, target))
    description, earlier = _description(run), Earlier()
    for home, names in usual.items():
        try:
            earlier = change(home, run, names, description, runs_dir)
        except NoLinksError:
            own += [(name, home / name) for name in names]
            _keep_others(home, runs_dir)
    _rename_all(run, [one for one in own if not is_special(one[1])])
    for home, names in usual.items():
        for name in NAMES:
            if name not in names and (home / name).exists() and any(target == home / names[0] for _, target in own):
                remove(home / name)  # a file of an earlier set, on a disk without links
    return earlier


def _pour(source: Path, target: Path) -> None:
    try:
        with source.open("rb") as file, target.open("wb", buffering=0) as sink:
            shutil.copyfileobj(file, sink)
    except OSError as error:  # the system does not name the file in errors after it was opened
        raise OSError(error.errno, error.strerror, str(target)) from None


def _rename_all(run: Path, own: Sequence[tuple[str, Path]]) -> None:
    """Writes all files beside their targets first; the renames follow, one after the other, when the stack closes."""
    with contextlib.ExitStack() as stack:
        for name, target in own:
            second_name(run / name, stack.enter_context(replacing(target)))


def _keep_others(home: Path, runs_dir: Path) -> None:
    """On a disk without links: copies the files with usual names that are in no run's folder into a folder of their own."""
    runs = all_runs(runs_dir)
    strangers = [
        name for name in NAMES if (home / name).exists() and not any(_equal(home / name, run / name) for run in runs)
    ]
    if strangers:
        keep_strangers(home, strangers, runs_dir)


def _equal(one: Path, other: Path) -> bool:
    """Whether two files, or the files of two folders, have the same content."""
    if one.is_dir() and other.is_dir():
        inside = {path.relative_to(one) for path in one.rglob("*") if path.is_file()}
        return all(_equal(one / path, other / path) for path in inside)
    return one.is_file() and other.is_file() and (one.samefile(other) or filecmp.cmp(one, other, shallow=False))


def _description(run: Path) -> str:
    try:
        return about(json.loads((run / RECORD).read_text("utf-8", "surrogateescape")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""


@contextlib.contextmanager
def _turns(folders: Sequence[Path]) -> Iterator[None]:
    """Locks these folders, so that one program at a time renames files in them; without support for locks it does nothing."""
    with contextlib.ExitStack() as stack:
        for folder in sorted({os.path.realpath(folder) for folder in folders}):
            with contextlib.suppress(OSError, ImportError):
                import fcntl  # does not exist on Windows

                descriptor = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, descriptor)
                _wait_for(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released when the descriptor is closed
        yield


def _wait_for(descriptor: int, lock: int) -> None:
    """Waits for a lock, but not forever, because the process that holds it may have been suspended."""
    import fcntl

    until = time.monotonic() + _LONGEST_WAIT_S
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, lock)
            return
        if time.monotonic() > until:
            return
        time.sleep(0.01)
