"""Lists what lies in a folder: sorted, without hidden files, file managers' junk and links in circles."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from label_image.errors import UserError
from label_image.junk_files import is_junk

_SHOWN = 6  # names in a message

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif")


def is_picture(name: str) -> bool:
    """Whether a file is named as pictures are."""
    return name.lower().endswith(PICTURE_SUFFIXES)


def is_dir(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one; a link in a circle is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def leads_back(entry: os.DirEntry[str]) -> bool:
    """Whether a folder is a link to the folder it lies in, or to one above."""
    if not entry.is_symlink():
        return False
    here = os.path.realpath(os.path.dirname(entry.path))  # noqa: PTH120 - text, as scandir gives it
    real = os.path.realpath(entry.path)
    return here == real or here.startswith(real.rstrip(os.sep) + os.sep)


def entries(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder, by name; what is hidden and junk left out.

    Raises:
      UserError: it may not be read.
    """
    with reading(folder) as found:
        return sorted((entry for entry in found if not is_junk(entry.name)), key=lambda entry: entry.name)


def sub_folders(folder: str) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones, junk and links in circles left out."""
    return [entry.name for entry in entries(folder) if is_dir(entry) and not leads_back(entry)]


def has_files(folder: str) -> bool:
    """Whether a file lies in a folder itself."""
    with reading(folder) as found:
        return any(not is_junk(entry.name) and not is_dir(entry) for entry in found)


def count_files(folder: str) -> int:
    """How many files lie in a folder itself; none in one that may not be read."""
    try:
        return sum(not is_dir(entry) for entry in entries(folder))
    except UserError:
        return 0


def count_pictures(folder: str) -> int:
    """How many files that are named as pictures lie in a folder itself."""
    with reading(folder) as found:
        return sum(is_picture(entry.name) and not is_junk(entry.name) and not is_dir(entry) for entry in found)


def shown(folder: str) -> str:
    """A folder's name, also where it was typed as a dot."""
    return os.path.basename(os.path.realpath(folder))  # noqa: PTH119 - text, as typed


def above(folder: str) -> str:
    """The folder that a folder lies in, typed as it was.

    >>> above("photos/daisy/"), above("."), above("photos")
    ('photos', './..', '.')
    """
    typed = folder.rstrip(os.sep)
    goes_up = os.path.basename(typed) in ("", ".", "..")  # noqa: PTH119 - text, as typed
    return os.path.join(typed or os.sep, "..") if goes_up else os.path.dirname(typed) or "."  # noqa: PTH118, PTH120


def few(folders: Iterable[str]) -> str:
    """Names of folders for a message, six at most."""
    names = [f"{name}/" for name in folders]
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


@contextmanager
def reading(folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    """What is in a folder, as the system gives it.

    Raises:
      UserError: it may not be read.
    """
    try:
        with os.scandir(folder) as found:
            yield found
    except OSError as error:
        raise UserError(
            f"cannot read the folder {folder}: {error.strerror}; change its permissions, or copy the photos elsewhere"
        ) from None
