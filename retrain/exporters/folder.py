"""Refuses to replace a folder that contains anything else than an earlier export."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from label_image.errors import UserError


def check_folder(flag: str, path: Path, holds: Collection[str]) -> None:
    """Refuses to replace a folder with files that this export format does not write.

    Args:
      flag: the flag that names the folder.
      path: the folder.
      holds: names that such a folder may contain; all of them are deleted when it is replaced.

    Raises:
      UserError: the path is a file, the current folder or one above it, or a folder with other contents.
    """
    if path.exists() and not path.is_dir():
        raise UserError(f"cannot write --{flag}={path}: it is a file; give a folder's name")
    if path.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise UserError(f"cannot write --{flag}={path}: you are in it; give a new folder's name")
    strangers = sorted({file.name for file in path.iterdir()} - {*holds}) if path.is_dir() else []
    if strangers:
        raise UserError(
            f"cannot write --{flag}={path}: found {strangers[0]!r} there, which would be lost; give a new folder's name"
        )
