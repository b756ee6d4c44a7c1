"""Reads a classifier's file or folder once, and answers all later requests from what was read.

Between two reads, `python -m retrain` may replace the file, and a new network with the old labels would silently give wrong
answers. Therefore the bytes of a `.tflite` are read once for its metadata, its labels and every worker's interpreter, a graph
is parsed once, and `settled` checks that nothing at the path has changed while it was read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Any, TypeVar

from label_image.errors import RunError, UserError

Result = TypeVar("Result")
Stamp = tuple[tuple[str, int, int, int, int, int], ...]

_TRIES = 40
_PAUSE_S = 0.05  # between two attempts: two seconds in total, enough to copy a file of a gigabyte
# Names of files beside a classifier that may contain its labels or its range; they belong to what is read.
_BESIDE = ("label", "class", "dict.txt", "signature.json", "metadata_properties.json", "cvexport.manifest")


@dataclass(frozen=True)
class ModelFile:
    """The content of a classifier's file or folder.

    Attributes:
      path: its path.
      kind: as from `kind_of`.
      data: all bytes of a kind that is read whole (`.tflite`); empty for other kinds, whose parsed form is in `kept`.
      kept: objects made from it, by name: a parsed graph, a session.
    """

    path: Path
    kind: str
    data: bytes = b""
    kept: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, make: Callable[[], Result]) -> Result:
        """Returns the result of `make`, which is called only the first time."""
        if name not in self.kept:
            self.kept[name] = make()
        made: Result = self.kept[name]
        return made


def read(path: Path, kind: str, *, whole: bool) -> ModelFile:
    """Reads a file or folder of a known kind.

    Args:
      path: its path.
      kind: as from `kind_of`.
      whole: whether to read all its bytes now; otherwise its reader does that.

    Raises:
      RunError: it cannot be read, or is being written all the time.
    """
    if not whole:
        return ModelFile(path, kind)
    try:
        for _ in range(_TRIES):
            with path.open("rb") as file:
                before = os.fstat(file.fileno())
                data = file.read()
                after = os.fstat(file.fileno())
            # Not the whole stamp: a file that was replaced meanwhile has still been read completely.
            if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns) and len(
                data
            ) == after.st_size:
                return ModelFile(path, kind, data)
            time.sleep(_PAUSE_S)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from None
    raise _changing(path)


def settled(path: Path, work: Callable[[], bool]) -> None:
    """Repeats `work`, which reads the classifier at `path`, until nothing there changes meanwhile.

    Args:
      path: a classifier's file or folder.
      work: reads it and the files beside it. Returns whether everything came from a single read of a single file; then
        later changes do not matter.

    Raises:
      RunError: the files keep changing.
      UserError: raised by `work` although nothing has changed.
    """
    end = time.monotonic() + _TRIES * _PAUSE_S
    while time.monotonic() < end:
        before = stamp(path)
        try:
            if work() or stamp(path) == before:
                return
        except UserError:
            if stamp(path) == before:
                raise
        time.sleep(_PAUSE_S)
    raise _changing(path)


def _changing(path: Path) -> RunError:
    return RunError(f"cannot read {path}: it keeps changing; try again when no program is writing it")


def stamp(path: Path) -> Stamp:
    """Identifies the content of a path without reading it: the name, device, inode, size and times of each file.

    For a folder these are all files in it; for a file also those beside it that may contain its labels or its range.
    """
    try:
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        near = path.parent
        beside = [near / name for name in sorted(os.listdir(near)) if any(word in name.lower() for word in _BESIDE)]  # noqa: PTH208
        names = [*found, *beside, near / f"{path.stem}.txt"]
        return tuple(one for name in names if (one := _stamp(name)) is not None)
    except OSError:
        return ()


def _stamp(path: Path) -> tuple[str, int, int, int, int, int] | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    if not S_ISREG(seen.st_mode):
        return None
    return str(path), seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns
