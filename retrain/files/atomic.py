"""A file or folder takes its name only when it is whole, and on the disk.

A crash of the program, a power cut, a full disk or Ctrl-C leaves the old one, or none; never half of one, and no folder is
gone for a moment. What is written is brought to the disk before it gets its name, and the name before we go on.
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
)  # of disks without fsync
_cleared: set[Path] = set()  # folders in which this process has looked for what others left


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` (file or folder); on success it is renamed to `path`.

    The folder is made if it is missing. If the block raises, what was written is removed and `path` is untouched. Where
    `path` is a link, what it points to is replaced and the link stays. A device or a pipe is written to, not replaced.

    >>> target = Path(tempfile.mkdtemp()) / "answer.txt"
    >>> with replacing(target) as scratch:
    ...     _ = scratch.write_text("42")
    >>> target.read_text()
    '42'
    """
    if path.is_symlink() and not is_special(path):
        path = Path(os.path.realpath(path))
    if is_special(path):
        with _poured_into(path) as scratch:
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
    """Whether something is there that is neither a file nor a folder: a device, a pipe, a socket."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def sync(path: Path) -> None:
    """Brings a file, or a folder and all that is in it, to the disk.

    Raises:
      OSError: the disk is full or broken, which some systems tell only now.
    """
    if path.is_symlink():
        return
    if path.is_dir():
        for entry in path.iterdir():
            sync(entry)
        sync_folder(path)
        return
    # Windows wants it open for writing
    with _unsynced_ignored(), path.open("r+b" if os.name == "nt" else "rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Brings a folder's list of names to the disk; Windows has no call for that."""
    if os.name == "nt":
        return
    with _unsynced_ignored():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def exchange(one: Path, other: Path) -> bool:
    """Exchanges two names at once; False where the system or the disk cannot."""
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
    """Puts the folder `scratch` in the place of the folder `path`: os.replace refuses a folder that is not empty.

    Where two names cannot be exchanged at once, the old folder steps aside for a moment; a kill just then is made good by
    the next program that writes here (`leftovers.clear`).
    """
    if exchange(scratch, path):
        return
    old = temporary(path, "old")
    remove(old)
    try:
        path.replace(old)
        scratch.replace(path)
    finally:  # Ctrl-C may come between any two of these lines
        if path.exists():
            remove(old)
        else:
            old.replace(path)


@contextlib.contextmanager
def _poured_into(path: Path) -> Iterator[Path]:
    """Yields a temporary file whose bytes are written into what is at `path`."""
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
