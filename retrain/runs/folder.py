"""The folder of one run, `RUNS_DIR/<time>-<architecture>/`: made when the run begins, gone if nothing came of it.

While a run is at work its folder holds `.running`: whose it is, and, once its classifier is verified, which names outside
it are to be given to which files. A later run finds by it what a killed one left.
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

RUNNING = ".running"
_LONGEST = 60  # characters of a network's name


@dataclass(frozen=True)
class Running:
    """What `.running` says."""

    mark: str
    targets: tuple[tuple[str, str], ...] = ()  # (name in the run's folder, whole path it goes to); () while at work

    def write(self, folder: Path) -> None:
        """Writes it into the folder of the run, whole.

        Raises:
          OSError: the folder is not there any more, or cannot be written.
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
    """Makes the folder of a run that begins now, which no other run has or gets.

    Args:
      runs_dir: holds a folder a run; made if it is not there.
      network: the name of the pretrained network, for the folder's name.

    Raises:
      RunError: it cannot be made.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", network)[-_LONGEST:]
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    number = 1
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        scratch = temporary(runs_dir / f"{stem}-{os.urandom(4).hex()}")  # two runs may begin in one process
        scratch.mkdir()
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


def _named(scratch: Path, folder: Path) -> bool:
    """Gives a folder its name; False where another run has it. No folder of a run is ever empty, so a rename takes none's place."""
    try:
        scratch.rename(folder)
    except OSError:
        if not os.path.lexists(folder):
            raise
        return False
    return True


def is_name(name: str) -> bool:
    """Whether a folder is called as the runs are.

    >>> is_name("20261121-182732-efficientnet_lite0"), is_name("20261121-182732-earlier"), is_name("my project")
    (True, True, False)
    """
    return re.match(r"\d{8}-\d{6}-", name) is not None


def end(folder: Path) -> None:
    """The run is over: its folder stays if there is a record in it.

    So does `.running` where names were to be given to its files and something came between: the next run does it.
    """
    with contextlib.suppress(OSError):
        if (folder / RECORD).exists():
            state = running(folder)
            if state is None or not state.targets:
                (folder / RUNNING).unlink(missing_ok=True)
        else:
            _discard(folder)
            folder.parent.rmdir()  # if it was the first


def running(folder: Path) -> Running | None:
    """What `.running` says; None where there is none, or none that can be read."""
    try:
        known = json.loads((folder / RUNNING).read_text("utf-8", "surrogateescape"))
        return Running(str(known["mark"]), tuple((str(name), str(path)) for name, path in known["targets"]))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def killed_runs(runs_dir: Path) -> list[tuple[Path, Running]]:
    """Clears away what killed runs left in `runs_dir`, but for those whose classifier was verified: these are returned."""
    verified = []
    clear(runs_dir)
    for folder in sorted(runs_dir.glob("*")) if runs_dir.is_dir() else []:
        if folder.is_symlink() or not folder.is_dir():
            continue
        clear(folder)
        found = running(folder)
        if found is None:
            with contextlib.suppress(OSError):
                folder.rmdir()  # killed before it was marked; fails where there is anything in it
        elif is_over(found.mark, folder / RUNNING):
            if found.targets and (folder / RECORD).exists():
                verified.append((folder, found))
            else:
                end(folder)
    return verified


def latest_run(runs_dir: Path = RUNS_DIR) -> Path:
    """The folder of the newest run that left a record.

    Raises:
      UserError: there is none.
    """
    folders = [path for path in all_runs(runs_dir) if (path / RECORD).exists()]
    if not folders:
        raise UserError(f"no run in {runs_dir}; train first (python -m retrain --image_dir YOUR_PHOTOS), or name a run")
    return folders[-1]


def _discard(folder: Path) -> None:
    """Removes the folder of a run; under a name that says so, lest a kill leaves a half that looks like a run."""
    scratch = temporary(folder)
    folder.rename(scratch)
    remove(scratch)
