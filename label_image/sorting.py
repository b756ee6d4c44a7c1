"""Copies or moves photos into a folder per label, without ever overwriting a file.

A photo whose best score is below --threshold goes into the folder UNSURE. If a name is taken, a number is added (`a_2.jpg`),
unless that file has the same bytes; then nothing is done. If the program is interrupted, even by a kill or a power cut, the photo
is complete in the old or in the new place: when it is moved to another disk, the original is deleted only after the copy has been
written to that disk. Partial copies of a killed run (`.NAME.MARK.part`) are deleted by the next run.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import os
import re
import shutil
import tempfile
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import PhotoError, RunError
from label_image.process_mark import FORM, is_over, mark

UNSURE = "_unsure"
_cleared: set[Path] = set()  # folders that this process has already searched for partial copies
_PART = re.compile(rf"\..+\.({FORM})\.part")
_LONGEST = 100  # characters of a folder's name, so that with a number it has at most 255 bytes
_FORBIDDEN = re.compile(
    r'[\x00-\x1f\x7f/\\:*?"<>|\ud800-\udfff]'
)  # characters that Linux, macOS or Windows do not allow in names
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # names that Windows reserves


@dataclass(frozen=True)
class Sorted:
    """The result of sorting a photo."""

    how: str  # "copied", "moved" or "already there"
    path: str  # where it now is


class Sorter:
    """Copies or moves photos into a folder per label.

    Args:
      folder: the parent of the labels' folders; created for the first photo.
      labels: all labels, so that each gets its own folder, the same in every run.
      move: whether to move the photos instead of copying them.
    """

    def __init__(self, folder: Path, labels: Sequence[str], *, move: bool = False) -> None:
        self._folder, self._move = folder, move
        self._names = folder_names(labels)

    @property
    def folders(self) -> list[Path]:
        """Lists the folders that photos are put into."""
        return [self._folder / name for name in (UNSURE, *self._names.values())]

    def put(self, photo: Path, name: str, label: str | None) -> Sorted:
        """Copies or moves one photo.

        Args:
          photo: the file.
          name: its path or address, of which the last part becomes the file name.
          label: one of the labels; None if no score is high enough.

        Raises:
          PhotoError: the photo does not exist any more.
          RunError: the folder cannot be written.
        """
        folder = self._folder / (UNSURE if label is None else self._names[label])
        return put_into(folder, photo, file_name(name), move=self._move)


def put_into(folder: Path, photo: Path, name: str, *, move: bool) -> Sorted:
    """Copies or moves a file into a folder, under that name or that name with a number.

    Raises:
      PhotoError: the file does not exist any more.
      RunError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder not in _cleared:
            _cleared.add(folder)
            clear_parts(folder)
        for place in _places(folder, name):
            if os.path.lexists(place):
                if _same(photo, place):
                    return Sorted("already there", str(place))
            elif _put(photo, place, move=move):
                return Sorted("moved" if move else "copied", str(place))
    except OSError as error:
        if not photo.exists():
            raise PhotoError("not found any more", "it was moved or deleted meanwhile") from None
        why = error.strerror or type(error).__name__
        raise RunError(f"cannot put {photo} into {folder}: {why}; the photo stays where it is") from None
    raise AssertionError("the numbers never run out")


def clear_parts(folder: Path) -> None:
    """Deletes the partial copies of killed runs in a folder."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        found = [(Path(entry.path), match) for entry in entries if (match := _PART.fullmatch(entry.name))]
        for path, match in found:
            if is_over(match[1], path):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def folder_names(labels: Sequence[str]) -> dict[str, str]:
    """Makes a unique folder name for each label: the label itself if it is safe.

    >>> folder_names(["rose", "a/b", "a_b", "..", ""])
    {'rose': 'rose', 'a/b': 'a_b_2', 'a_b': 'a_b', '..': '_', '': '__2'}
    """
    safe = {label: label for label in labels if safe_name(label) == label and label != UNSURE}
    taken = {name.casefold() for name in (*safe, UNSURE)}
    for label in labels:
        if label in safe:
            continue
        name = stem = safe_name(label)
        number = 2
        while name.casefold() in taken:
            name, number = f"{stem}_{number}", number + 1
        taken.add(name.casefold())
        safe[label] = name
    return {label: safe[label] for label in labels}


def safe_name(label: str, longest: int = _LONGEST) -> str:
    """Makes a label a valid folder name on every system: not a path, not hidden, not reserved and not empty.

    `longest` is in characters; for names that are not ASCII it is halved.

    >>> safe_name("../etc/passwd"), safe_name("N/A"), safe_name("con"), safe_name("red rose.")
    ('__etc_passwd', 'N_A', '_con', 'red rose')
    """
    name = _FORBIDDEN.sub("_", label)
    if name.startswith("."):
        name = "_" + name.lstrip(".")  # a leading dot means hidden, or `..`
    name = name[: longest if name.isascii() else longest // 2].strip().rstrip(". ")
    return f"_{name}" if not name or _DEVICES.match(name) else name


def file_name(name: str) -> str:
    """Returns the last part of a path, or of an address without characters that file systems refuse.

    >>> file_name("in/daisy.jpg"), file_name("https://x.org/a%20b.jpg?w=3")
    ('daisy.jpg', 'a b.jpg')
    """
    if not name.lower().startswith(("http://", "https://")):
        return Path(name).name
    last = urllib.parse.unquote(urllib.parse.urlsplit(name).path).rsplit("/", 1)[-1]
    return safe_name(last) if last else "photo"


def _places(folder: Path, name: str) -> Iterator[Path]:
    yield folder / name
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - Path would change names that end in a dot
    for number in range(2, 1_000_000_000):
        yield folder / f"{stem}_{number}{suffix}"


def _same(photo: Path, place: Path) -> bool:
    """Returns whether two files have the same bytes; False for a broken link."""
    try:
        return place.is_file() and (photo.samefile(place) or filecmp.cmp(photo, place, shallow=False))
    except FileNotFoundError:
        if not photo.exists():
            raise
        return False


def _put(photo: Path, place: Path, *, move: bool) -> bool:
    """Copies or moves a photo to a free path; False if the path was taken meanwhile."""
    if move and not photo.is_symlink() and _linked(photo, place):
        photo.unlink()
        return True
    descriptor, scratch = tempfile.mkstemp(prefix=".", suffix=f".{mark()}.part", dir=place.parent)
    os.close(descriptor)
    try:
        shutil.copyfile(photo, scratch)
        with contextlib.suppress(OSError):  # some network shares store no times
            shutil.copystat(photo, scratch)
        if move:
            _sync(Path(scratch))
        if not (_linked(Path(scratch), place) or _claimed(Path(scratch), place)):
            return False
    finally:
        Path(scratch).unlink(missing_ok=True)
    if move:
        _sync(place.parent)
        photo.unlink()
    return True


def _sync(path: Path) -> None:
    """Flushes a file, or a folder's list of names, to the disk if the system supports it.

    Raises:
      OSError: the disk is full or damaged, which some systems report only now.
    """
    if os.name == "nt" and path.is_dir():
        return
    try:
        descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in (errno.EIO, errno.ENOSPC, errno.EDQUOT):
            raise


def _linked(source: Path, place: Path) -> bool:
    """Makes a hard link to a file; False if the name is taken or links are not supported."""
    with contextlib.suppress(OSError, NotImplementedError):
        os.link(source, place)
        return True
    return False


def _claimed(scratch: Path, place: Path) -> bool:
    """Moves a file to a free name on disks without hard links (FAT, some shares): first reserves the name with an empty file."""
    try:
        place.open("xb").close()
    except FileExistsError:
        return False
    scratch.replace(place)
    return True
