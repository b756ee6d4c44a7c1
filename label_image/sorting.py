"""A photo and its label in, the photo in that label's folder out; no file is ever written over.

A photo whose best score is below --threshold goes to the folder UNSURE. A name that is taken gets a number (`a_2.jpg`),
unless the file that has it is the same byte for byte: then nothing is done. Whatever interrupts it, a kill or a power cut
too, the photo is whole in the old place or in the new one: moved to another disk, it leaves the old one only when the new
one has it on the disk. What a killed run left half copied (`.NAME.MARK.part`) is cleared away by the next.
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
_cleared: set[Path] = set()  # folders in which this process has looked for what others left
_PART = re.compile(rf"\..+\.({FORM})\.part")
_LONGEST = 100  # characters of a folder's name: at most 255 bytes whatever they are, room for a number
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\ud800-\udfff]')  # in names, by Linux, macOS or Windows
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # what Windows keeps for itself


@dataclass(frozen=True)
class Sorted:
    """What was done with a photo."""

    how: str  # "copied", "moved" or "already there"
    path: str  # where it now is


class Sorter:
    """Puts photos into a folder a label.

    Args:
      folder: holds the folders; made when the first photo comes.
      labels: all labels, so that no two share a folder, in this run and the next.
      move: take the photos away from where they were.
    """

    def __init__(self, folder: Path, labels: Sequence[str], *, move: bool = False) -> None:
        self._folder, self._move = folder, move
        self._names = folder_names(labels)

    def put(self, photo: Path, name: str, label: str | None) -> Sorted:
        """Copies or moves one photo.

        Args:
          photo: the file.
          name: what it is called: a path or an address, of which the last part is taken.
          label: one of the labels; None if no score was high enough.

        Raises:
          PhotoError: the photo is gone.
          RunError: its place can not be written.
        """
        folder = self._folder / (UNSURE if label is None else self._names[label])
        return put_into(folder, photo, file_name(name), move=self._move)


def put_into(folder: Path, photo: Path, name: str, *, move: bool) -> Sorted:
    """Copies or moves a file into a folder, under that name or one with a number.

    Raises:
      PhotoError: the file is gone.
      RunError: its place can not be written.
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
            raise PhotoError("not there any more", "it was moved or removed meanwhile") from None
        why = error.strerror or type(error).__name__
        raise RunError(f"cannot put {photo} into {folder}: {why}; it is left where it is") from None
    raise AssertionError("there are numbers enough")


def clear_parts(folder: Path) -> None:
    """Clears away what runs that were killed left half copied in a folder."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        found = [(Path(entry.path), match) for entry in entries if (match := _PART.fullmatch(entry.name))]
        for path, match in found:
            if is_over(match[1], path):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def folder_names(labels: Sequence[str]) -> dict[str, str]:
    """A folder's name for each label: the label itself where that is safe; no two labels share one.

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
    """A label as the name of one folder, on every system: no path, no hidden or reserved name, not empty.

    `longest` is in characters; of names that are not ASCII half of it.

    >>> safe_name("../etc/passwd"), safe_name("N/A"), safe_name("con"), safe_name("red rose.")
    ('__etc_passwd', 'N_A', '_con', 'red rose')
    """
    name = _FORBIDDEN.sub("_", label)
    if name.startswith("."):
        name = "_" + name.lstrip(".")  # hidden; and `..`
    name = name[: longest if name.isascii() else longest // 2].strip().rstrip(". ")
    return f"_{name}" if not name or _DEVICES.match(name) else name


def file_name(name: str) -> str:
    """The last part of a path; of an address, without what no file system takes.

    >>> file_name("in/daisy.jpg"), file_name("https://x.org/a%20b.jpg?w=3")
    ('daisy.jpg', 'a b.jpg')
    """
    if not name.lower().startswith(("http://", "https://")):
        return Path(name).name
    last = urllib.parse.unquote(urllib.parse.urlsplit(name).path).rsplit("/", 1)[-1]
    return safe_name(last) if last else "photo"


def _places(folder: Path, name: str) -> Iterator[Path]:
    yield folder / name
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a Path would lose names that end in a dot
    for number in range(2, 1_000_000_000):
        yield folder / f"{stem}_{number}{suffix}"


def _same(photo: Path, place: Path) -> bool:
    """Whether two files hold the same bytes; a broken link is like nothing."""
    try:
        return place.is_file() and (photo.samefile(place) or filecmp.cmp(photo, place, shallow=False))
    except FileNotFoundError:
        if not photo.exists():
            raise
        return False


def _put(photo: Path, place: Path, *, move: bool) -> bool:
    """Puts a photo where nothing is; False if something came there meanwhile."""
    if move and not photo.is_symlink() and _linked(photo, place):
        photo.unlink()
        return True
    descriptor, scratch = tempfile.mkstemp(prefix=".", suffix=f".{mark()}.part", dir=place.parent)
    os.close(descriptor)
    try:
        shutil.copyfile(photo, scratch)
        with contextlib.suppress(OSError):  # some shares keep no times
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
    """Brings a file, or a folder's list of names, to the disk, where the system can.

    Raises:
      OSError: the disk is full or broken, which some systems tell only now.
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
    """Gives a file a second name, which fails where the name is taken; False where that can not be done."""
    with contextlib.suppress(OSError, NotImplementedError):
        os.link(source, place)
        return True
    return False


def _claimed(scratch: Path, place: Path) -> bool:
    """The same on disks without links (FAT, some shares): the name is taken empty, then given its content."""
    try:
        place.open("xb").close()
    except FileExistsError:
        return False
    scratch.replace(place)
    return True
