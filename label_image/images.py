"""Which photos the words of a command line mean, one after the other, in the order typed.

A word is a file, a folder (with its sub-folders), a pattern, an http or https address, or `-`: a list on standard input.
An address in a list is fetched only where that was asked for: whoever wrote the list is not whoever typed the command.
Nothing is held but the names of the folder that is being read; no picture is opened here.
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
_DOWNLOADS = 4  # at a time: servers wait, cores do not


@dataclass(frozen=True)
class Item:
    """One photo to label."""

    name: str  # as the user will know it: the path, or the address
    path: str  # where its bytes lie
    error: PhotoError | None = None  # why there are none
    fetched: bool = False  # `path` is a copy of our own


def check_words(words: Sequence[str], **written: str) -> None:
    """Refuses what can not be meant, before anything is labelled.

    Args:
      words: what was typed.
      written: the folders that will be written to, each by its flag: sort_into="sorted"; "" is none.

    Raises:
      UserError: no photo; a pattern that matches nothing; standard input twice; a folder written into itself.
    """
    if not words:
        raise UserError("no photo given: --image daisy.jpg")
    if list(words).count(LIST) > 1:
        raise UserError("standard input can be read once: give - one time")
    for word in words:
        if is_pattern(word) and next(glob.iglob(word, recursive=True), None) is None:  # noqa: PTH207 - Path.glob refuses absolute patterns
            raise UserError(f"--image={word} matches no file")
        for flag, folder in written.items():
            if folder and _is_dir(word) and os.path.realpath(word) == os.path.realpath(folder):
                raise UserError(f"--{flag}={folder} is the folder that is read; give another one, or one inside it")


def is_one_photo(words: Sequence[str]) -> bool:
    """Whether exactly one photo was asked for by its name."""
    return len(words) == 1 and not (words[0] == LIST or is_pattern(words[0]) or _is_dir(words[0]))


def needs_scratch(words: Sequence[str], *, fetch_listed: bool = False) -> bool:
    """Whether a folder is needed for downloads; with no words, for the photo of the benchmark."""
    return not words or any((word == LIST and fetch_listed) or is_address(word) for word in words)


def photos(words: Iterable[str], scratch: Path, *leave_out: str, fetch_listed: bool = False) -> Iterator[Item]:
    """The photos that words mean.

    Args:
      words: what was typed; `check_words` has seen it.
      scratch: an empty folder for what is downloaded; who reads an item whose `fetched` is set removes its file.
      leave_out: folders that are not gone into: those that are written to; "" is none.
      fetch_listed: whether the addresses in a list are fetched.

    Yields:
      items in the order typed; a folder is read in the order of its names.
    """
    words = list(words)
    not_into = tuple(os.path.realpath(folder) for folder in leave_out if folder)
    found = (item for word in words for item in _meant(word, not_into, fetch_listed))
    if needs_scratch(words, fetch_listed=fetch_listed):
        return map_ordered(lambda: lambda item: _fetched(item, scratch), found, _DOWNLOADS)
    return found


def is_address(word: str) -> bool:
    """Whether a word is a web address rather than a file."""
    return word[:8].lower().startswith(("http://", "https://"))


def is_pattern(word: str) -> bool:
    """Whether a word is a pattern such as `new/*.jpg`; a file whose name looks like one is a file."""
    return glob.has_magic(word) and not is_address(word) and not os.path.lexists(word)


def _meant(word: str, leave_out: tuple[str, ...], fetch_listed: bool) -> Iterator[Item]:
    if word == LIST:
        for name in listed(_standard_input()):
            if is_address(name) and not fetch_listed:
                yield Item(name, "", PhotoError("not fetched", "an address in a list; --fetch fetches those"))
            else:
                yield from _named(name, leave_out)
    elif is_pattern(word):
        found = sorted(glob.glob(word, recursive=True))  # noqa: PTH207 - as above
        for name in found:
            if not _is_dir(name):
                yield _found(name)
            elif "**" not in word:  # else its files are matched as well
                yield from _named(name, leave_out)
    else:
        yield from _named(word, leave_out)


def _named(name: str, leave_out: tuple[str, ...]) -> Iterator[Item]:
    """The photo of that name, or those in the folder of that name."""
    if not is_address(name) and _is_dir(name):
        for path in _below(name, leave_out, ()):
            yield _found(path)
    elif "://" in name[:12] and not is_address(name) and not os.path.lexists(name):
        yield Item(name, "", PhotoError("not to be read", "of web addresses, http and https are"))
    else:
        yield Item(name, name)


def _found(path: str) -> Item:
    """A file that was found, not named: a pipe among the photos would be waited for, and a device has no end."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - as below
    except (OSError, ValueError):
        return Item(path, path)  # and reading it will say why
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return Item(path, path)
    return Item(path, "", PhotoError("not a file", "a pipe, socket or device"))


def _is_dir(name: str) -> bool:
    """Whether a name is a folder's; one that is too long, or lies in a locked folder, is not."""
    return os.path.isdir(name)  # noqa: PTH112 - Path.is_dir raises for such names


def _below(folder: str, leave_out: tuple[str, ...], above: tuple[str, ...]) -> Iterator[str]:
    """The files in a folder and below it; hidden files, what systems leave and circles of links are left out."""
    real = os.path.realpath(folder)
    if real in above or real in leave_out:
        return
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a list of 100,000 names is 7 MB, of Path objects 25
    except OSError:
        yield folder  # and reading it will say why
        return
    names.sort()
    for name in names:
        if is_junk(name):
            continue
        path = os.path.join(folder, name)  # noqa: PTH118 - the words typed, not a normalised path
        if os.path.isdir(path):  # noqa: PTH112 - a hundred thousand of them
            yield from _below(path, leave_out, (*above, real))
        else:
            yield path


def listed(descriptor: int) -> Iterator[str]:
    """The names in a list, each as soon as it has been written there.

    Lines; or, if the first piece that is read has a NUL in it (`find -print0`), what stands between NULs. Empty ones are
    left out. Read without Python's buffer, whose lock a thread that waits for the next line would keep at exit.

    Raises:
      UserError: it is a picture, or no list at all.
    """
    rest = b""
    separator = b""
    while piece := _piece(descriptor):
        if not separator:
            if piece.startswith(_PICTURES):
                raise UserError(
                    "standard input holds a picture, and - takes a list of photos; give the photo by its name"
                )
            separator = b"\0" if b"\0" in piece else b"\n" if b"\n" in piece else b""
        rest += piece
        if separator:
            *names, rest = rest.split(separator)
            yield from _decoded(names, separator)
        if len(rest) > _LONGEST_NAME:
            raise UserError(f"standard input is no list of photos: {len(rest):,} bytes without a line end")
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
        raise UserError("no list to read: standard input is closed") from None


def _fetched(item: Item, scratch: Path) -> Item:
    """The same item with its bytes on disk, if it was an address."""
    if item.error or not is_address(item.path):
        return item
    from label_image.web import fetch

    try:
        return Item(item.name, str(fetch(item.path, scratch)), fetched=True)
    except PhotoError as error:
        return Item(item.name, "", error)
