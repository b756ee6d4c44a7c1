"""Finds the photos that the words of a command line name, in the order typed.

A word is a file, a folder (with its sub-folders), a pattern, an http or https address, or `-` for a list on standard input.
An address in a list is downloaded only with --fetch, because the list may come from someone else than the user. Only the
names in the current folder are kept in memory; no picture is opened here.
"""

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import PhotoError, UserError
from label_image.junk_files import is_junk
from label_image.workers import map_ordered

LIST = "-"  # the word for standard input
_LONGEST_NAME = 65_536  # bytes; Linux allows 4,096
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"II*\0", b"MM\0*")
_DOWNLOADS = 4  # in parallel: downloads mostly wait for servers


@dataclass(frozen=True)
class Item:
    """One photo to label."""

    name: str  # for the user: the path or the address
    path: str  # of the file
    error: PhotoError | None = None  # why there is no file
    fetched: bool = False  # `path` is a temporary download


def check_words(words: Sequence[str], **written: str) -> None:
    """Refuses impossible words before anything is labelled.

    Args:
      words: the words typed.
      written: the output folder of each flag: sort_into="sorted"; "" means none.

    Raises:
      UserError: there is no photo, a pattern matches nothing, standard input is given twice, or a folder is both read and
        written.
    """
    if not words:
        raise UserError("no photo given; name one: --image daisy.jpg")
    if list(words).count(LIST) > 1:
        raise UserError("standard input can be read only once: give - one time")
    for word in words:
        if is_pattern(word) and next(glob.iglob(word, recursive=True), None) is None:  # noqa: PTH207 - Path.glob refuses absolute patterns
            raise UserError(f"--image={word} matches no file")
        for flag, folder in written.items():
            if folder and _is_dir(word) and os.path.realpath(word) == os.path.realpath(folder):
                raise UserError(f"--{flag}={folder} is the folder that is read; give another folder, or one inside it")


def is_one_photo(words: Sequence[str]) -> bool:
    """Returns whether the words name exactly one photo."""
    return len(words) == 1 and not (words[0] == LIST or is_pattern(words[0]) or _is_dir(words[0]))


def needs_scratch(words: Sequence[str], *, fetch_listed: bool = False) -> bool:
    """Returns whether a temporary folder is needed: for downloads, or without words for the benchmark's photo."""
    return not words or any((word == LIST and fetch_listed) or is_address(word) for word in words)


def photos(words: Iterable[str], scratch: Path, *leave_out: str, fetch_listed: bool = False) -> Iterator[Item]:
    """Finds the photos that the words name.

    Args:
      words: the words typed, already checked by `check_words`.
      scratch: an empty folder for downloads; the caller deletes the file of an item whose `fetched` is set.
      leave_out: folders to skip, because they are written to; "" means none.
      fetch_listed: whether to download the addresses in a list.

    Yields:
      the items in the order typed; the files of a folder are sorted by name.
    """
    words = list(words)
    not_into = tuple(os.path.realpath(folder) for folder in leave_out if folder)
    found = (item for word in words for item in _meant(word, not_into, fetch_listed))
    if needs_scratch(words, fetch_listed=fetch_listed):
        return map_ordered(lambda: lambda item: _fetched(item, scratch), found, _DOWNLOADS)
    return found


def is_address(word: str) -> bool:
    """Returns whether a word is a web address."""
    return word[:8].lower().startswith(("http://", "https://"))


def is_pattern(word: str) -> bool:
    """Returns whether a word is a pattern such as `new/*.jpg` and not the name of an existing file."""
    return glob.has_magic(word) and not is_address(word) and not os.path.lexists(word)


def _meant(word: str, leave_out: tuple[str, ...], fetch_listed: bool) -> Iterator[Item]:
    if word == LIST:
        for name in listed(_standard_input()):
            if is_address(name) and not fetch_listed:
                yield Item(name, "", PhotoError("not fetched", "an address in a list; add --fetch to download it"))
            else:
                yield from _named(name, leave_out)
    elif is_pattern(word):
        found = sorted(glob.glob(word, recursive=True))  # noqa: PTH207 - as above
        for name in found:
            if not _is_dir(name):
                yield _found(name)
            elif "**" not in word:  # with ** its files are matched too
                yield from _named(name, leave_out)
    else:
        yield from _named(word, leave_out)


def _named(name: str, leave_out: tuple[str, ...]) -> Iterator[Item]:
    """Yields the photo of that name, or the photos in the folder of that name."""
    if not is_address(name) and _is_dir(name):
        for path in _below(name, leave_out, ()):
            yield _found(path)
    elif "://" in name[:12] and not is_address(name) and not os.path.lexists(name):
        yield Item(name, "", PhotoError("unreadable", "only http and https addresses can be downloaded"))
    else:
        yield Item(name, name)


def _found(path: str) -> Item:
    """Makes the item of a file found in a folder; pipes and devices are refused, because reading them may never end."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - as below
    except (OSError, ValueError):
        return Item(path, path)  # reading it will report why
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return Item(path, path)
    return Item(path, "", PhotoError("not a file", "a pipe, socket or device"))


def _is_dir(name: str) -> bool:
    """Returns whether a name is a folder; False if it is too long or inside a locked folder."""
    return os.path.isdir(name)  # noqa: PTH112 - Path.is_dir raises for such names


def _below(folder: str, leave_out: tuple[str, ...], above: tuple[str, ...]) -> Iterator[str]:
    """Yields the files in a folder and its sub-folders, without hidden files, system files and cycles of links."""
    real = os.path.realpath(folder)
    if real in above or real in leave_out:
        return
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a list of 100,000 names is 7 MB, of Path objects 25
    except OSError:
        yield folder  # reading it will report why
        return
    names.sort()
    for name in names:
        if is_junk(name):
            continue
        path = os.path.join(folder, name)  # noqa: PTH118 - the words typed, not a normalised path
        if os.path.isdir(path):  # noqa: PTH112 - faster than Path for 100,000 files
            yield from _below(path, leave_out, (*above, real))
        else:
            yield path


def listed(descriptor: int) -> Iterator[str]:
    """Yields the names in a list, each as soon as it arrives.

    Names are separated by line ends, or by NUL characters (`find -print0`) if the first piece contains one. Empty names are
    skipped. The list is read without Python's buffer, because a thread waiting for the next line would hold its lock at exit.

    Raises:
      UserError: the input is a picture or not a list.
    """
    rest = b""
    separator = b""
    while piece := _piece(descriptor):
        if not separator:
            if piece.startswith(_PICTURES):
                raise UserError(
                    "standard input is a picture, but - expects a list of photos; give the photo by its name"
                )
            separator = b"\0" if b"\0" in piece else b"\n" if b"\n" in piece else b""
        rest += piece
        if separator:
            *names, rest = rest.split(separator)
            yield from _decoded(names, separator)
        if len(rest) > _LONGEST_NAME:
            raise UserError(f"standard input is not a list of photos: found {len(rest):,} bytes without a line end")
    yield from _decoded([rest], separator)


def _piece(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _LONGEST_NAME)
    except OSError as error:
        raise UserError(f"cannot read the list on standard input: {error.strerror or error}") from None


def _decoded(names: list[bytes], separator: bytes) -> Iterator[str]:
    for raw in names:
        name = os.fsdecode(raw)
        if separator != b"\0" and name.endswith("\r") and not os.path.lexists(name):
            name = name[:-1]  # a list from Windows
        if name:
            yield name


def _standard_input() -> int:
    try:
        return sys.stdin.fileno()
    except (AttributeError, ValueError, OSError):
        raise UserError("cannot read the list: standard input is closed") from None


def _fetched(item: Item, scratch: Path) -> Item:
    """Downloads an item that is an address; returns other items unchanged."""
    if item.error or not is_address(item.path):
        return item
    from label_image.web import fetch

    try:
        return Item(item.name, str(fetch(item.path, scratch)), fetched=True)
    except PhotoError as error:
        return Item(item.name, "", error)
