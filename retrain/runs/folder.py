"""Makes and removes the folder of a run, `RUNS_DIR/<time>-<architecture>/`.

It is made when the run begins, and removed if the run produced nothing. While the run is running, its folder contains a
file `.running`. It names the process, and, once the classifier is verified, the files that are to be published under
names outside the folder. From it, a later run can complete what a killed run left.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import RunError, UserError
from label_image.find_run import RECORD, RUNS_DIR, all_runs
from label_image.process_mark import is_over, mark
from retrain.files.temporary_names import clear, remove, temporary

_TRIES = 20  # for a folder that other runs remove while it is made
RUNNING = ".running"
_LONGEST = 60  # most characters of a network's name in the name of a folder


@dataclass(frozen=True)
class Running:
    """The content of `.running`."""

    mark: str  # identifies the process
    targets: tuple[tuple[str, str], ...] = ()  # (name in the run's folder, full path of the target); () until verified

    def write(self, folder: Path) -> None:
        """Writes `.running` into the folder of the run, atomically.

        Raises:
          OSError: the folder does not exist any more, or cannot be written.
        """
        from retrain.files.atomic import sync, sync_folder

        path = folder / RUNNING
        scratch = temporary(path)
        text = json.dumps({"mark": self.mark, "targets": self.targets})
        scratch.write_text(text, "utf-8", "surrogateescape")
        if self.targets:
            sync(scratch)
        scratch.replace(path)
        if self.targets:
            sync_folder(folder)


def begin(runs_dir: Path, network: str) -> Path:
    """Makes the folder of a run that begins now; no other run gets the same folder.

    Args:
      runs_dir: contains the folders of the runs; it is made if it does not exist.
      network: the name of the pretrained network, which is part of the folder's name.

    Raises:
      RunError: the folder cannot be made.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", network)[-_LONGEST:]
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    number = 1
    try:
        scratch = temporary(
            runs_dir / f"{stem}-{os.urandom(4).hex()}"
        )  # random, because two runs may begin in one process
        _make(scratch)
        Running(mark()).write(scratch)
        while True:
            folder = runs_dir / (stem if number == 1 else f"{stem}-{number}")
            number += 1
            if not os.path.lexists(folder) and _named(scratch, folder):
                return folder
    except OSError as error:
        raise RunError(
            f"cannot make a folder for this run in --runs_dir={runs_dir}: {error.strerror or error}; choose another --runs_dir"
        ) from None


def _make(folder: Path) -> None:
    """Makes a folder and those above it, also where another run removes them at the same time because they are empty.

    Raises:
      OSError: it cannot be made.
    """
    for _ in range(_TRIES):
        try:
            folder.mkdir(parents=True)
        except FileNotFoundError:
            continue
        return
    folder.mkdir(parents=True)


def _named(scratch: Path, folder: Path) -> bool:
    """Renames a folder; returns False if another run has that name.

    The folder of a run is never empty, so the rename cannot replace one.
    """
    try:
        scratch.rename(folder)
    except OSError:
        if not os.path.lexists(folder):
            raise
        return False
    return True


def is_name(name: str) -> bool:
    """Whether a name has the form of a run's folder.

    >>> is_name("20261121-182732-efficientnet_lite0"), is_name("20261121-182732-earlier"), is_name("my project")
    (True, True, False)
    """
    return re.match(r"\d{8}-\d{6}-", name) is not None


def end(folder: Path) -> None:
    """Ends a run: removes its folder unless it contains a record.

    If publishing its files was interrupted, `.running` stays, so that the next run completes it.
    """
    with contextlib.suppress(OSError):
        if (folder / RECORD).exists():
            state = running(folder)
            if state is None or not state.targets:
                (folder / RUNNING).unlink(missing_ok=True)
        else:
            _discard(folder)
            folder.parent.rmdir()  # succeeds only if there is no other run


def running(folder: Path) -> Running | None:
    """Reads `.running`; returns None if it is missing or unreadable."""
    try:
        known = json.loads((folder / RUNNING).read_text("utf-8", "surrogateescape"))
        return Running(str(known["mark"]), tuple((str(name), str(path)) for name, path in known["targets"]))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def killed_runs(runs_dir: Path) -> list[tuple[Path, Running]]:
    """Removes what killed runs left in `runs_dir`; returns those whose classifier was verified, which are not removed."""
    verified = []
    clear(runs_dir)
    for folder in sorted(runs_dir.glob("*")) if runs_dir.is_dir() else []:
        if folder.is_symlink() or not folder.is_dir():
            continue
        clear(folder)
        found = running(folder)
        if found is None:
            with contextlib.suppress(OSError):
                folder.rmdir()  # killed before `.running` was written; fails unless the folder is empty
        elif is_over(found.mark, folder / RUNNING):
            if found.targets and (folder / RECORD).exists():
                verified.append((folder, found))
            else:
                end(folder)
    return verified


def latest_run(runs_dir: Path = RUNS_DIR) -> Path:
    """Returns the folder of the newest run that has a record.

    Raises:
      UserError: there is no such run.
    """
    folders = [path for path in all_runs(runs_dir) if (path / RECORD).exists()]
    if not folders:
        raise UserError(f"no run in {runs_dir}; train first (python -m retrain --image_dir YOUR_PHOTOS), or name a run")
    return folders[-1]


def _discard(folder: Path) -> None:
    """Removes the folder of a run; it is renamed first, so that a kill cannot leave a half-removed folder that looks valid."""
    scratch = temporary(folder)
    folder.rename(scratch)
    remove(scratch)
