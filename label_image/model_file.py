"""A classifier's file or folder, opened once: whoever asks again is answered from what was read then.

A path is only a name. Between two readings `python -m retrain` may have put another training there, and a new network with
the old labels answers wrongly in silence. So the bytes of a `.tflite` are read once for its metadata, its labels and every
worker's interpreter, a graph is parsed once, and `settled` compares what lies at the path before and after.
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
_PAUSE_S = 0.05  # between two tries: two seconds in all, in which a file of a gigabyte is copied
# Files beside a classifier that tell its labels or its range are part of what is read.
_BESIDE = ("label", "class", "dict.txt", "signature.json", "metadata_properties.json", "cvexport.manifest")


@dataclass(frozen=True)
class ModelFile:
    """What was read.

    Attributes:
      path: where it lay.
      kind: as `kind_of` says.
      data: all bytes of a kind that is read whole (`.tflite`); empty for the others, of which `kept` holds what was made of them.
      kept: what was made of it, by name: a parsed graph, a session. Filled by those who make it.
    """

    path: Path
    kind: str
    data: bytes = b""
    kept: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, make: Callable[[], Result]) -> Result:
        """What `make` gives, made when it is asked for first."""
        if name not in self.kept:
            self.kept[name] = make()
        made: Result = self.kept[name]
        return made


def read(path: Path, kind: str, *, whole: bool) -> ModelFile:
    """Reads a file or folder of a known kind.

    Args:
      path: where it lies.
      kind: as `kind_of` says.
      whole: whether all its bytes are read now; else its reader does that.

    Raises:
      RunError: it cannot be read, or is being written.
    """
    if not whole:
        return ModelFile(path, kind)
    try:
        for _ in range(_TRIES):
            with path.open("rb") as file:
                before = os.fstat(file.fileno())
                data = file.read()
                after = os.fstat(file.fileno())
            # Not the whole stamp: a file that is replaced meanwhile was read whole all the same.
            if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns) and len(
                data
            ) == after.st_size:
                return ModelFile(path, kind, data)
            time.sleep(_PAUSE_S)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from None
    raise _restless(path)


def settled(path: Path, work: Callable[[], bool]) -> None:
    """Does `work`, which reads what is at `path`, until nothing has changed there meanwhile.

    Args:
      path: a classifier's file or folder.
      work: reads it, the files beside it included; is done again where something changed. Returns whether all came out of
        one reading of one file; then it does not matter what is there now.

    Raises:
      RunError: it goes on changing.
      UserError: that of `work`, where nothing has changed.
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
    raise _restless(path)


def _restless(path: Path) -> RunError:
    return RunError(f"cannot read {path}: it is being written all the time; try again when that has ended")


def stamp(path: Path) -> Stamp:
    """What tells one content of a path from another without reading it: of each file its name, device, inode, size and times.

    Of a folder all files in it; of a file those beside it that tell its labels or its range.
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
