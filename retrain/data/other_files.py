"""Says what a file is that was given, or lies, where a folder of photos should be: archives, tables, other people's files."""

# Paths are text here, as in `folders`.
# ruff: noqa: PTH116, PTH118

from __future__ import annotations

import os
import re
import stat
from os.path import join
from pathlib import Path
from shlex import quote

from label_image.errors import UserError
from retrain.data.directory_listing import entries, is_dir, is_picture

_ARCHIVES = {".zip": "unzip", ".tar": "tar -xf", ".tgz": "tar -xzf", ".tar.gz": "tar -xzf", ".tar.bz2": "tar -xjf", ".tar.xz": "tar -xJf", ".7z": "7z x", ".rar": "unrar x"}  # fmt: skip
_TABLES = (".csv", ".tsv")


def check_root(root: str) -> None:
    """Refuses an --image_dir that is no folder.

    Raises:
      UserError: it says what the file is, and what to do with it.
    """
    try:
        mode = os.stat(root).st_mode
    except (FileNotFoundError, NotADirectoryError):
        hint = "; the shell did not replace ~: write $HOME" if root.startswith("~") else ""
        if re.match(r"[a-z]+://", root):
            hint = "; it is an address: download it, unpack it, and give the folder"
        raise UserError(f"cannot read --image_dir={root}: no such folder (looked in {Path.cwd()}){hint}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read --image_dir={root!r}: {getattr(error, 'strerror', error)}") from None
    if not stat.S_ISDIR(mode):
        raise UserError(f"cannot read --image_dir={root}: {_file_in_place_of_folder(root)}")


def _file_in_place_of_folder(path: str) -> str:
    """What a file is that was given as --image_dir, and what to do."""
    name = path.lower()
    archive = next(
        (how for ending, how in sorted(_ARCHIVES.items(), key=lambda one: -len(one[0])) if name.endswith(ending)), ""
    )
    if archive:
        return f"it is a file; unpack it, and give the folder of photos: {archive} {quote(path)}"
    if name.endswith(_TABLES):
        return f"it is a table; turn it and the photos it names into folders first: python -m retrain.convert csv {quote(path)} NEW_FOLDER --root FOLDER_OF_PHOTOS"
    if name.endswith(".tfrecord") or ".tfrecord" in name:
        return f"it is a file; turn it into folders first: python -m retrain.convert tfrecord {quote(path)} NEW_FOLDER"
    if "ubyte" in name:
        return f"it is a file; turn it into folders first: python -m retrain.convert mnist {quote(path)} NEW_FOLDER"
    if is_picture(name):
        return "it is a photo; give the folder that holds a folder a class: FOLDER/CLASS/photo.jpg"
    return "it is a file; unpack it, and give the folder of photos"


def hint(folder: str, photos: str) -> str:
    """What to do with the tables, archives and other people's files in a folder; "" where there are none.

    Args:
      folder: where they are looked for.
      photos: the folder that a table's paths probably begin in.
    """
    names = files(folder)
    for name in names:
        path = join(folder, name)
        low = name.lower()
        if "ubyte" in low:
            return f"{name} is one of MNIST's: python -m retrain.convert mnist {quote(folder)} NEW_FOLDER"
        if ".tfrecord" in low:
            return f"{name} is a TFRecord: python -m retrain.convert tfrecord {quote(folder)} NEW_FOLDER"
        if low.startswith(("data_batch_", "test_batch")):
            return f"{name} is one of CIFAR-10's: python -m retrain.convert cifar10 {quote(folder)} NEW_FOLDER"
        if low.endswith(tuple(_ARCHIVES)):
            return f"unpack {path} first, and give the folder of photos"
    tables = [join(folder, name) for name in names if name.lower().endswith(_TABLES)]
    if tables:
        return f"if {tables[0]} says their classes: python -m retrain.convert csv {quote(tables[0])} NEW_FOLDER --root {quote(photos)}"
    return ""


def files(folder: str) -> list[str]:
    """Names of the files in a folder; none of one that may not be read."""
    try:
        return [entry.name for entry in entries(folder) if not is_dir(entry)]
    except UserError:
        return []
