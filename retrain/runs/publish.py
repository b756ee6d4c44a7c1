"""What a run keeps in its folder takes the names that the user knows: all of it, or, after a kill, all of it a little later.

Usual names in tf_files change at once (`sets`). Names of the user's own are several renames: everything is written beside
them first, then renamed in one loop, and until the loop is over the run's folder says what was meant (`.running`), so that
the next run can finish it. Runs that end together take turns.
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

_LONGEST_WAIT_S = 60  # for another run that gives its files their names, which takes a few hundredths


@dataclass(frozen=True)
class Member:
    """One file or folder of a set."""

    name: str  # in the run's folder
    target: Path  # where the user wants it


def publish(run: Path, members: Sequence[Member], runs_dir: Path) -> Earlier:
    """Gives what a run keeps its names outside.

    Args:
      run: the run's folder; its record is there, and all members are whole and on the disk.
      members: what goes where.
      runs_dir: holds the runs.

    Returns:
      what stood under the usual names before.

    Raises:
      RunError: it cannot be written; what was made is in the run's folder.
    """
    targets = tuple((member.name, str(member.target.absolute())) for member in members)
    try:
        Running(mark(), targets).write(run)
        with _turns([runs_dir, *(Path(target).parent for _, target in targets)]):
            _finish(runs_dir)
            earlier = _give_names(run, targets, runs_dir)
            Running(mark()).write(run)
        for name, text in targets:
            if is_special(Path(text)):  # a pipe may have to wait for its reader, and nobody should wait for both
                _pour(run / name, Path(text))
    except OSError as error:
        what = f"{error.filename2 or error.filename or run}: {error.strerror or error}"
        raise RunError(f"cannot write {what}; what was made is in {run}") from None
    return earlier


def finish_killed(runs_dir: Path) -> list[str]:
    """Ends what killed runs began: names that were to change are changed, and what came of nothing is cleared away.

    Returns:
      a line for each classifier that has its names only now, or that cannot get them.
    """
    if not runs_dir.is_dir():
        return []
    with _turns([runs_dir]):  # another run may be at the same, and then go on to its own
        return _finish(runs_dir)


def _finish(runs_dir: Path) -> list[str]:
    said = []
    for run, state in killed_runs(runs_dir):
        try:
            _give_names(run, state.targets, runs_dir)
            said.append(f"the run {run} was ended while its files were put in place; they are now")
        except OSError as error:
            said.append(f"cannot put the files of {run} in place: {error.strerror or error}; they are kept there")
        with contextlib.suppress(OSError):
            (run / ".running").unlink(missing_ok=True)
    return said


def members_of(run: Path, record: Mapping[str, Any]) -> list[Member]:
    """What an older run keeps, and where it was to go: by its record.

    Raises:
      RunError: it keeps nothing.
    """
    found = []
    for export in record.get("exports", []):
        name = Path(str(export.get("kept") or "")).name
        if name and (run / name).exists():
            found.append(Member(name, Path(export.get("asked") or export["path"])))
    if not found:
        raise RunError(f"the run {run} keeps nothing that could be used: an earlier version made it, or it was emptied")
    return found


def stands(members: Sequence[Member]) -> bool:
    """Whether any of the names is taken, so that publishing would replace an earlier classifier."""
    return any(member.target.exists() and not is_special(member.target) for member in members)


def about(record: dict[str, Any]) -> str:
    """What a run was trained on, and how good it is, in a few words."""
    folder, accuracy = record.get("plan", {}).get("image_dir", ""), record.get("accuracy")
    return f"{folder} ({accuracy:.1%})" if isinstance(accuracy, float) else str(folder)


def _give_names(run: Path, targets: Sequence[tuple[str, str]], runs_dir: Path) -> Earlier:
    """Does it; may be done again after a kill at any place."""
    usual: dict[Path, list[str]] = {}
    own: list[tuple[str, Path]] = []
    for name, text in targets:
        target = Path(text)
        if is_usual(target) and name == target.name:
            usual.setdefault(target.parent, []).append(name)
        else:
            own.append((name, target))
    said, earlier = _said_of(run), Earlier()
    for home, names in usual.items():
        try:
            earlier = change(home, run, names, said, runs_dir)
        except NoLinksError:
            own += [(name, home / name) for name in names]
            _keep_others(home, runs_dir)
    _rename_all(run, [one for one in own if not is_special(one[1])])
    for home, names in usual.items():
        for name in NAMES:
            if name not in names and (home / name).exists() and any(target == home / names[0] for _, target in own):
                remove(home / name)  # of an earlier set, on a disk without links
    return earlier


def _pour(source: Path, target: Path) -> None:
    try:
        with source.open("rb") as file, target.open("wb", buffering=0) as sink:
            shutil.copyfileobj(file, sink)
    except OSError as error:  # what is written to is named, which the system leaves out once it is open
        raise OSError(error.errno, error.strerror, str(target)) from None


def _rename_all(run: Path, own: Sequence[tuple[str, Path]]) -> None:
    """All is written beside its place, then renamed: at the end of the stack, one after the other."""
    with contextlib.ExitStack() as stack:
        for name, target in own:
            second_name(run / name, stack.enter_context(replacing(target)))


def _keep_others(home: Path, runs_dir: Path) -> None:
    """On a disk without links: what stands under the usual names and is in no run's folder gets one."""
    runs = all_runs(runs_dir)
    strangers = [
        name for name in NAMES if (home / name).exists() and not any(_equal(home / name, run / name) for run in runs)
    ]
    if strangers:
        keep_strangers(home, strangers, runs_dir)


def _equal(one: Path, other: Path) -> bool:
    """Whether two files, or the files of two folders, are the same."""
    if one.is_dir() and other.is_dir():
        inside = {path.relative_to(one) for path in one.rglob("*") if path.is_file()}
        return all(_equal(one / path, other / path) for path in inside)
    return one.is_file() and other.is_file() and (one.samefile(other) or filecmp.cmp(one, other, shallow=False))


def _said_of(run: Path) -> str:
    try:
        return about(json.loads((run / RECORD).read_text("utf-8", "surrogateescape")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""


@contextlib.contextmanager
def _turns(folders: Sequence[Path]) -> Iterator[None]:
    """Lets one program at a time change names in these folders; where the system cannot, nobody waits."""
    with contextlib.ExitStack() as stack:
        for folder in sorted({os.path.realpath(folder) for folder in folders}):
            with contextlib.suppress(OSError, ImportError):
                import fcntl  # not on Windows

                descriptor = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, descriptor)
                _wait_for(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with the descriptor
        yield


def _wait_for(descriptor: int, lock: int) -> None:
    """Waits until nobody else has a lock; not for ever, as who has it may have been brought to a halt."""
    import fcntl

    until = time.monotonic() + _LONGEST_WAIT_S
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, lock)
            return
        if time.monotonic() > until:
            return
        time.sleep(0.01)
