"""Gives a file that a run keeps a second name: a hard link if the disk supports it, otherwise a copy; folders file by file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def second_name(source: Path, place: Path) -> None:
    """Gives the file or folder `source` a second name, `place`, which must not exist yet.

    Raises:
      OSError: it cannot be read, or the disk is full.
    """
    if not source.is_dir():
        _file(source, place)
        return
    place.mkdir()
    for entry in sorted(source.iterdir()):
        second_name(entry, place / entry.name)


def size_of(path: Path) -> int:
    """Returns the size of a file, or of all files in a folder, in bytes."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _file(source: Path, place: Path) -> None:
    try:
        os.link(os.path.realpath(source), place)
    except (OSError, NotImplementedError):  # another disk, FAT, some shares, too many links
        shutil.copyfile(source, place)
