"""Writes the file of --output: a regular file gets its name when it is complete; a device, pipe or socket is written directly."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO

from label_image.errors import RunError, UserError
from label_image.process_mark import is_over, mark

_GLANCE = 1 << 16  # bytes at the start of a file that are searched for a zero, which text never contains
_LEFT_S = 60  # seconds; a run locks its file at once
_PREFIX, _ENDING = ".label_image-", ".part"


class OutputFile:
    """A file for the answers. Use it in a `with` block; an exception in the block keeps the earlier file.

    Args:
      path: the path as typed.
      read: the files that are read, which must not be overwritten.

    Raises:
      UserError: the file cannot be written.
    """

    def __init__(self, path: str, read: Iterable[str] = ()) -> None:
        self._typed = path
        self._target = Path(os.path.realpath(path))  # a symbolic link stays, and its target is written
        self._scratch: str = ""
        try:
            self._file = self._opened(read)
        except OSError as error:
            raise UserError(f"cannot write --output={path}: {error.strerror or error}; give another file") from None

    def _opened(self, read: Iterable[str]) -> IO[str]:
        how = {"encoding": "utf-8", "errors": "surrogateescape", "newline": "\n"}
        found = _status(self._typed)
        # /dev/stdout may be a file that the shell has opened; it is written directly too.
        if found and (not stat.S_ISREG(found.st_mode) or os.path.abspath(self._typed).startswith(("/dev/", "/proc/"))):  # noqa: PTH100
            if stat.S_ISDIR(found.st_mode):
                raise UserError(f"cannot write --output={self._typed}: it is a folder; name a file in it")
            return open(os.open(self._typed, os.O_WRONLY), "w", **how)  # type: ignore[call-overload,no-any-return]  # noqa: PTH123
        if found and any(_is_same(found, other) for other in read):
            raise UserError(f"cannot write --output={self._typed}: this command reads it; give another file")
        if found and _is_no_text(self._target):
            raise UserError(
                f"cannot write --output={self._typed}: a binary file (a picture or a classifier?) would be overwritten; give another file"
            )
        if not self._target.parent.is_dir():
            raise UserError(
                f"cannot write --output={self._typed}: the folder {self._target.parent} does not exist; create it first"
            )
        if found and not os.access(self._target, os.W_OK):
            raise UserError(f"cannot write --output={self._typed}: the file is write-protected; give another file")
        _clear(self._target.parent)
        descriptor, self._scratch = tempfile.mkstemp(f".{mark()}{_ENDING}", _PREFIX, self._target.parent)
        _is_mine(descriptor)
        with contextlib.suppress(OSError):
            os.chmod(self._scratch, stat.S_IMODE(found.st_mode) if found else 0o666 & ~_umask())  # noqa: PTH101
        return open(descriptor, "w", **how)  # type: ignore[call-overload,no-any-return]  # noqa: PTH123

    def __enter__(self) -> OutputFile:  # noqa: PYI034 - Self came with Python 3.11
        """Returns the file, which is already open, so that errors are reported early."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Gives the file its name, or deletes it after an exception.

        Raises:
          RunError: the disk is full.
        """
        try:
            if kind is None and self._scratch:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                os.replace(self._scratch, self._target)  # noqa: PTH105
                self._scratch = ""
            else:
                self._file.close()
        except OSError as error:
            if kind is None:
                raise RunError(f"cannot write --output={self._typed}: {error.strerror or error}") from None
        finally:
            with contextlib.suppress(OSError):
                self._file.close()
            if self._scratch:
                Path(self._scratch).unlink(missing_ok=True)

    def write(self, text: str) -> None:
        """Writes a piece of text.

        Raises:
          BrokenPipeError: the reader of a pipe is gone.
          RunError: it cannot be written, for example because the disk is full.
        """
        try:
            self._file.write(text)
            if not self._scratch:
                self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise RunError(f"cannot write --output={self._typed}: {error.strerror or error}") from None


def check_apart(output: str, flag: str, folder: str) -> None:
    """Refuses a file where a folder is to be made, which would be found out only at the end.

    Args:
      output: the value of --output.
      flag: the flag that names the folder.
      folder: the folder; "" is none.

    Raises:
      UserError: the folder is the file, or lies in it; capitals count for nothing, as on some disks.
    """
    inner, outer = (Path(os.path.realpath(path)).parts for path in (folder, output))
    alike = [part.casefold() for part in inner[: len(outer)]] == [part.casefold() for part in outer]
    if folder and alike:
        raise UserError(f"cannot write --output={output}: --{flag} makes the folder {folder} there; give another file")


def _clear(folder: Path) -> None:
    """Deletes the temporary files of killed runs; a running process has its file locked."""
    for path in folder.glob(f"{_PREFIX}*{_ENDING}"):
        if is_over(path.name.removesuffix(_ENDING).rpartition(".")[2], path):
            path.unlink(missing_ok=True)
            continue
        with contextlib.suppress(OSError), path.open("r+b") as file:
            if time.time() - path.stat().st_mtime > _LEFT_S and _is_mine(file.fileno()):
                path.unlink()


def _is_mine(descriptor: int) -> bool:
    """Locks a file for as long as it is open; returns False if another process has locked it."""
    try:
        import fcntl
    except ImportError:  # not on Windows, where a file in use cannot be deleted
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _status(path: str) -> os.stat_result | None:
    """Returns a file's status; None if it does not exist."""
    try:
        return os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return None


def _is_no_text(path: Path) -> bool:
    """Returns whether a file is binary; answers are always text."""
    try:
        with path.open("rb") as file:
            return b"\0" in file.read(_GLANCE)
    except OSError:  # unreadable: writing will report it
        return False


def _is_same(found: os.stat_result, other: str) -> bool:
    try:
        return os.path.samestat(found, os.stat(other))  # noqa: PTH116
    except (OSError, ValueError):
        return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
