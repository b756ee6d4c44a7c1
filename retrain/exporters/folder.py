"""Refuses to replace a folder that holds anything else than an earlier export."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from label_image.errors import UserError


def check_folder(flag: str, path: Path, holds: Collection[str]) -> None:
    """Refuses to replace files that the same export did not write.

    Args:
      flag: that names the folder.
      path: the folder.
      holds: names that such a folder may hold; all of them go when it is replaced.

    Raises:
      UserError: a file, a folder that one is in, or a folder that holds something else.
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
