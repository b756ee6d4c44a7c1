"""Unpacks archives into a folder, or reads single members, safely.

Only files and folders are unpacked. No member is written outside the target folder, and nothing is kept of an archive that is
damaged, contains a path outside the folder, or is unreasonably large.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import gzip
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from label_image.errors import RunError, meaning
from retrain.files.atomic import replacing

MOST_BYTES = 4 << 30  # size of one unpacked archive at most; the largest that we use (Inception v3) has 0.1 GiB
MOST_MEMBERS = 100_000
_DELETE_IT = "delete it, and it will be downloaded again"
_CHUNK = 1 << 16  # bytes
_MOST_AT_ONCE = (
    16 << 20
)  # bytes; more than any valid tar header has, so that the "header" of a malicious archive cannot fill the memory
GZIP, ZIP = b"\x1f\x8b", b"PK"  # the first bytes of such files
DAMAGE = (  # the exceptions of tarfile, gzip and zipfile for damaged files; RuntimeError: nested too deeply, or encrypted
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, struct.error),
    *(EOFError, ValueError, OverflowError, RuntimeError),
)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpacks a .tgz, .tar.gz, .tar or .zip into `folder`, completely or not at all; an existing `folder` is replaced.

    Links, devices, paths outside the folder and archives of more than MOST_BYTES are refused.

    Returns:
      `folder`.

    Raises:
      RunError: it is refused or damaged, or the disk is full; `folder` is then unchanged.
    """
    with (
        _as_run_error(f"cannot unpack {archive}", _DELETE_IT),
        replacing(folder) as scratch,
        _members(archive) as members,
    ):
        scratch.mkdir()
        for member in members:
            _write(member, scratch)
    return folder


def read_member(archive: Path, name: str) -> bytes | None:
    """Reads one file of an archive into memory. The archive is read to its end to detect damage; nothing is written.

    Args:
      archive: a .tgz, .tar.gz, .tar or .zip.
      name: full name or base name; if several match, a full name is preferred, then the first match.

    Returns:
      the bytes, or None if there is no file with that name.

    Raises:
      RunError: the archive is damaged or cannot be read.
    """
    found: dict[bool, bytes] = {}  # key: whether the full name matched
    with _as_run_error(f"cannot read {archive}", _DELETE_IT), _members(archive) as members:
        for member in members:
            full = member.name.removeprefix("./") == name
            if member.is_file and full not in found and (full or PurePosixPath(member.name).name == name):
                found[full] = b"".join(member.read())
    return found.get(True, found.get(False))


def read_through(archive: Path) -> None:
    """Reads an archive to its end, which verifies its checksums.

    Raises:
      RunError, or one of DAMAGE: it is damaged or incomplete.
    """
    with _members(archive) as members:
        for member in members:
            collections.deque(member.read(), maxlen=0)


def read_members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Iterates over the files of an archive. The archive is read to its end to detect damage; nothing is written.

    Args:
      archive: a .tgz, .tar.gz, .tar or .zip of the user.
      wanted: returns for a base name whether its bytes are wanted.

    Yields:
      (base name, bytes), with one file in memory at a time.

    Raises:
      RunError: the archive is damaged or cannot be read.
    """
    with _as_run_error(f"cannot read {archive}", "download it again"), _members(archive) as members:
        for member in members:
            name = PurePosixPath(member.name).name
            if member.is_file and wanted(name):
                yield name, b"".join(member.read())


@contextlib.contextmanager
def _as_run_error(what: str, advice: str) -> Iterator[None]:
    """Turns every error of reading or unpacking an archive into one line."""
    try:
        yield
    except DAMAGE as error:
        raise RunError(f"{what}: it is damaged ({meaning(error)}); {advice}") from error
    except OSError as error:
        raise RunError(f"{what}: {error.strerror or error}") from error


@dataclasses.dataclass(frozen=True)
class _Member:
    """One entry of an archive of any format."""

    name: str  # as written in the archive
    size: int  # bytes, unpacked
    is_file: bool
    is_folder: bool
    read: Callable[[], Iterator[bytes]]


@contextlib.contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    """Iterates over an archive to its very end; its format is recognised from its first bytes."""
    with archive.open("rb") as file:
        is_zip = file.read(2) == ZIP
    with contextlib.closing(_zip_members(archive) if is_zip else _tar_members(archive)) as members:
        yield _bounded(members)


def _bounded(members: Iterator[_Member]) -> Iterator[_Member]:
    total = 0
    for count, member in enumerate(members, 1):
        total += member.size
        if total > MOST_BYTES or count > MOST_MEMBERS:
            raise RunError(
                f"refused at {member.name!r}: over {MOST_BYTES:,} bytes or {MOST_MEMBERS:,} members; the archive may be malicious"
            )
        yield member


def _zip_members(archive: Path) -> Generator[_Member, None, None]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise zipfile.BadZipFile(
                    f"{info.filename!r} is compressed with the unsupported method {info.compress_type}"
                )
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 if the archive was made without Unix permissions
            read = functools.partial(_pieces, functools.partial(file.open, info))
            folder = info.filename.endswith("/")  # is_dir() fails on an empty name in Python 3.11
            is_file, is_folder = not folder and kind in (0, stat.S_IFREG), folder and kind in (0, stat.S_IFDIR)
            yield _Member(info.filename, info.file_size, is_file, is_folder, read)


class _Gzip(gzip.GzipFile):
    """Limits the size of single reads and the total size."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _MOST_AT_ONCE or self.tell() > 2 * MOST_BYTES:
            raise tarfile.ReadError("a header of unreasonable size")
        return super().read(size)


def _tar_members(archive: Path) -> Generator[_Member, None, None]:
    with archive.open("rb") as plain:
        file: IO[bytes] = plain
        if plain.read(2) == GZIP:
            file = _Gzip(fileobj=plain)  # type: ignore[assignment]  # is an IO[bytes] in all but name
        plain.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for info in tar:
                is_file = info.isreg() and not info.issparse()
                read = functools.partial(_pieces, functools.partial(tar.extractfile, info))
                yield _Member(info.name, info.size, is_file, info.isdir(), read)
            file.seek(tar.offset)
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # tarfile treats any damaged header as the end
                raise tarfile.ReadError("no end mark")
        while file.read(_CHUNK):  # the checksum of a gzip stream is at its end
            pass


def _pieces(opened: Callable[[], IO[bytes] | None]) -> Iterator[bytes]:
    file = opened()
    if file is not None:  # tarfile returns None for links and devices
        with file:
            while piece := file.read(_CHUNK):
                yield piece


def _write(member: _Member, folder: Path) -> None:
    # A Windows path covers the dangerous parts of names on all systems: drive, backslash and "..".
    name = PureWindowsPath(member.name)
    inside = all(part.strip(". ") for part in name.parts)  # "..", and also ".. ", which Windows treats as ".."
    if name.anchor or not inside or "\0" in member.name or not (member.is_file or member.is_folder):
        why = "leads outside the folder" if name.anchor or not inside else "is neither a file nor a folder"
        raise RunError(f"refused to unpack {member.name!r}: it {why}; nothing of the archive was kept")
    target = folder.joinpath(*name.parts)
    if member.is_folder:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        file.writelines(member.read())
