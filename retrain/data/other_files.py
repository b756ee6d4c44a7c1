"""Recognises files found in place of a folder of photos (archives, tables, other data sets), and says what to do with them."""

# Paths are strings here, as in `class_folder`.
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
    """Refuses an --image_dir that is not a folder.

    Raises:
      UserError: it is not a folder; the message says what it is and what to do.
    """
    try:
        mode = os.stat(root).st_mode
    except (FileNotFoundError, NotADirectoryError):
        hint = "; the shell did not expand ~: write $HOME" if root.startswith("~") else ""
        if re.match(r"[a-z]+://", root):
            hint = "; it is a web address: download it, unpack it, and give the folder"
        raise UserError(f"cannot read --image_dir={root}: no such folder (looked in {Path.cwd()}){hint}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read --image_dir={root!r}: {getattr(error, 'strerror', error)}") from None
    if not stat.S_ISDIR(mode):
        raise UserError(f"cannot read --image_dir={root}: {_file_in_place_of_folder(root)}")


def _file_in_place_of_folder(path: str) -> str:
    """Says what kind of file was given as --image_dir, and what to do with it."""
    name = path.lower()
    archive = next(
        (how for ending, how in sorted(_ARCHIVES.items(), key=lambda one: -len(one[0])) if name.endswith(ending)), ""
    )
    if archive:
        return f"it is a file; unpack it, and give the folder of photos: {archive} {quote(path)}"
    if name.endswith(_TABLES):
        return f"it is a table; convert it and its photos to folders first: python -m retrain.convert csv {quote(path)} NEW_FOLDER --root FOLDER_OF_PHOTOS"
    if name.endswith(".tfrecord") or ".tfrecord" in name:
        return f"it is a file; convert it to folders first: python -m retrain.convert tfrecord {quote(path)} NEW_FOLDER"
    if "ubyte" in name:
        return f"it is a file; convert it to folders first: python -m retrain.convert mnist {quote(path)} NEW_FOLDER"
    if is_picture(name):
        return "it is a photo; give the folder that contains one folder per class: FOLDER/CLASS/photo.jpg"
    return "it is a file; unpack it, and give the folder of photos"


def hint(folder: str, photos: str) -> str:
    """Says what to do with the tables, archives and data set files in a folder; "" if there are none.

    Args:
      folder: the folder to search.
      photos: the folder to which a table's paths are probably relative.
    """
    names = files(folder)
    for name in names:
        path = join(folder, name)
        low = name.lower()
        if "ubyte" in low:
            return f"{name} is a file of MNIST: python -m retrain.convert mnist {quote(folder)} NEW_FOLDER"
        if ".tfrecord" in low:
            return f"{name} is a TFRecord: python -m retrain.convert tfrecord {quote(folder)} NEW_FOLDER"
        if low.startswith(("data_batch_", "test_batch")):
            return f"{name} is a file of CIFAR-10: python -m retrain.convert cifar10 {quote(folder)} NEW_FOLDER"
        if low.endswith(tuple(_ARCHIVES)):
            return f"unpack {path} first, and give the folder of photos"
    tables = [join(folder, name) for name in names if name.lower().endswith(_TABLES)]
    if tables:
        return f"if {tables[0]} lists their classes: python -m retrain.convert csv {quote(tables[0])} NEW_FOLDER --root {quote(photos)}"
    return ""


def files(folder: str) -> list[str]:
    """Returns the names of the files in a folder; [] if there is no permission to read it."""
    try:
        return [entry.name for entry in entries(folder) if not is_dir(entry)]
    except UserError:
        return []
