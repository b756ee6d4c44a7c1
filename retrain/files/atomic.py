"""Writes files and folders atomically: each gets its name only when it is complete and stored on the disk.

After a crash, a power cut, a full disk or Ctrl-C there is the old file or folder, or none, but never half of one; and a folder
that is replaced never disappears in between. The contents are synced to the disk before the renaming, and the new name after it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from retrain.files.temporary_names import clear, remove, temporary

_EXCHANGE = 2  # RENAME_EXCHANGE of Linux's renameat2
_AT_FDCWD = -100
_UNSYNCED = (
    errno.EINVAL,
    errno.ENOTSUP,
    errno.ENOSYS,
    errno.EBADF,
    errno.EACCES,
    errno.EPERM,
)  # error numbers of file systems without fsync
_cleared: set[Path] = set()  # folders from which this process has already removed temporary files of ended processes


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` (file or folder); on success it is renamed to `path`.

    The parent folder is created if it is missing. If the block raises, the temporary file is removed and `path` is unchanged. If
    `path` is a link, its target is replaced and the link remains. A device or a pipe is written to, not replaced.

    >>> target = Path(tempfile.mkdtemp()) / "answer.txt"
    >>> with replacing(target) as scratch:
    ...     _ = scratch.write_text("42")
    >>> target.read_text()
    '42'
    """
    if path.is_symlink() and not is_special(path):
        path = Path(os.path.realpath(path))
    if is_special(path):
        with _written_into(path) as scratch:
            yield scratch
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent not in _cleared:
        _cleared.add(path.parent)
        clear(path.parent)
    scratch = temporary(path)
    remove(scratch)
    try:
        yield scratch
        sync(scratch)
        if scratch.is_dir() and path.is_dir():
            _swap(scratch, path)
        else:
            scratch.replace(path)
        sync_folder(path.parent)
    finally:
        remove(scratch)


def is_special(path: Path) -> bool:
    """Whether a path exists that is neither a file nor a folder: a device, a pipe or a socket."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def sync(path: Path) -> None:
    """Syncs a file, or a folder with all its contents, to the disk.

    Raises:
      OSError: the disk is full or defective, which some systems report only now.
    """
    if path.is_symlink():
        return
    if path.is_dir():
        for entry in path.iterdir():
            sync(entry)
        sync_folder(path)
        return
    # Windows requires the file to be open for writing
    with _unsynced_ignored(), path.open("r+b" if os.name == "nt" else "rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Syncs the names in a folder to the disk; Windows has no call for this."""
    if os.name == "nt":
        return
    with _unsynced_ignored():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def exchange(one: Path, other: Path) -> bool:
    """Exchanges two names atomically; returns False if the system or the file system cannot."""
    rename = _renameat2()
    if rename is None:
        return False
    failed: int = rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE)
    return failed == 0


@functools.cache
def _renameat2() -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2  # glibc 2.28, musl 1.2
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    function.restype = ctypes.c_int
    call: Callable[..., int] = function
    return call


def _swap(scratch: Path, path: Path) -> None:
    """Replaces the folder `path` by the folder `scratch`; os.replace would refuse a folder that is not empty.

    If the names cannot be exchanged atomically, the old folder is renamed for a moment. If the process is killed just then,
    the next program that writes here restores it (`temporary_names.clear`).
    """
    if exchange(scratch, path):
        return
    old = temporary(path, "old")
    remove(old)
    try:
        path.replace(old)
        scratch.replace(path)
    finally:  # Ctrl-C may interrupt between any two of these lines
        if path.exists():
            remove(old)
        else:
            old.replace(path)


@contextlib.contextmanager
def _written_into(path: Path) -> Iterator[Path]:
    """Yields a temporary file, whose bytes are then written into the device or pipe at `path`."""
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        scratch = Path(folder) / "out"
        yield scratch
        if scratch.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        with scratch.open("rb") as source, path.open("wb", buffering=0) as sink:
            shutil.copyfileobj(source, sink)


@contextlib.contextmanager
def _unsynced_ignored() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _UNSYNCED:
            raise
