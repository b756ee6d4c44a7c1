"""Lists the entries of a folder: sorted, without hidden files, file managers' junk files and circular links."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from label_image.errors import UserError
from label_image.junk_files import is_junk

_SHOWN = 6  # names listed in a message

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif")


def is_picture(name: str) -> bool:
    """Whether a file's name has the suffix of a picture."""
    return name.lower().endswith(PICTURE_SUFFIXES)


def is_dir(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a circular link is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def leads_back(entry: os.DirEntry[str]) -> bool:
    """Whether a folder is a link to its parent folder or to one further up."""
    if not entry.is_symlink():
        return False
    here = os.path.realpath(os.path.dirname(entry.path))  # noqa: PTH120 - text, as scandir gives it
    real = os.path.realpath(entry.path)
    return here == real or here.startswith(real.rstrip(os.sep) + os.sep)


def entries(folder: str) -> list[os.DirEntry[str]]:
    """Returns the entries of a folder, sorted by name, without hidden and junk files.

    Raises:
      UserError: there is no permission to read it.
    """
    with reading(folder) as found:
        return sorted((entry for entry in found if not is_junk(entry.name)), key=lambda entry: entry.name)


def sub_folders(folder: str) -> list[str]:
    """Returns the sorted names of the folders in a folder, without hidden folders, junk and circular links."""
    return [entry.name for entry in entries(folder) if is_dir(entry) and not leads_back(entry)]


def has_files(folder: str) -> bool:
    """Whether a folder directly contains a file."""
    with reading(folder) as found:
        return any(not is_junk(entry.name) and not is_dir(entry) for entry in found)


def count_files(folder: str) -> int:
    """Counts the files directly in a folder; 0 if there is no permission to read it."""
    try:
        return sum(not is_dir(entry) for entry in entries(folder))
    except UserError:
        return 0


def count_pictures(folder: str) -> int:
    """Counts the files with a picture's suffix directly in a folder."""
    with reading(folder) as found:
        return sum(is_picture(entry.name) and not is_junk(entry.name) and not is_dir(entry) for entry in found)


def shown(folder: str) -> str:
    """Returns a folder's name, even if it was typed as a dot."""
    return os.path.basename(os.path.realpath(folder))  # noqa: PTH119 - text, as typed


def above(folder: str) -> str:
    """Returns the parent of a folder, in the form in which the folder was typed.

    >>> above("photos/daisy/"), above("."), above("photos")
    ('photos', './..', '.')
    """
    typed = folder.rstrip(os.sep)
    goes_up = os.path.basename(typed) in ("", ".", "..")  # noqa: PTH119 - text, as typed
    return os.path.join(typed or os.sep, "..") if goes_up else os.path.dirname(typed) or "."  # noqa: PTH118, PTH120


def few(folders: Iterable[str]) -> str:
    """Formats the names of folders for a message, at most six."""
    names = [f"{name}/" for name in folders]
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


@contextmanager
def reading(folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    """Iterates over the entries of a folder in the order in which the system returns them.

    Raises:
      UserError: there is no permission to read it.
    """
    try:
        with os.scandir(folder) as found:
            yield found
    except OSError as error:
        raise UserError(
            f"cannot read the folder {folder}: {error.strerror}; change its permissions, or copy the photos elsewhere"
        ) from None
