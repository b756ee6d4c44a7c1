"""A path in, a temporary name to write to out: the file takes its name only when it is whole.

A crash of the program, a full disk or Ctrl-C leaves the old file, or none; never half of one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` (file or folder); on success it is renamed to `path`.

    The folder is made if it is missing. If the block raises, what was written is removed and `path` is untouched.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "answer.txt"
    >>> with replacing(target) as scratch:
    ...     _ = scratch.write_text("42")
    >>> target.read_text()
    '42'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _remove(scratch)
    try:
        yield scratch
        if scratch.is_dir() and path.is_dir():
            _swap(scratch, path)
        else:
            scratch.replace(path)
    finally:
        _remove(scratch)


def _swap(scratch: Path, path: Path) -> None:
    """Puts the folder `scratch` in the place of the folder `path`: os.replace refuses a folder that is not empty."""
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    _remove(old)
    try:
        path.replace(old)
        scratch.replace(path)
    finally:  # Ctrl-C may come between any two of these lines
        if path.exists():
            _remove(old)
        else:
            old.replace(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
