"""An archive in; a folder, or the bytes of one member, out.

Files and folders only. No member is written outside the folder it is unpacked to, and nothing of an archive is kept that
is damaged, leads outside or is larger than is sane.
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

MOST_BYTES = 4 << 30  # unpacked, of one archive; the largest we know (Inception v3) has 0.1 GiB
MOST_MEMBERS = 100_000
_AGAIN = "delete it and it will be fetched again"
_CHUNK = 1 << 16  # bytes
_MOST_AT_ONCE = 16 << 20  # bytes; more than any tar header has, and a bomb's "header" can not fill the memory
GZIP, ZIP = b"\x1f\x8b", b"PK"  # how such files begin
DAMAGE = (  # what tarfile, gzip and zipfile raise on broken bytes; RuntimeError: nested too deep, encrypted
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, struct.error),
    *(EOFError, ValueError, OverflowError, RuntimeError),
)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpacks a .tgz, .tar.gz, .tar or .zip into `folder`, whole or not at all; an older `folder` is replaced.

    Files and folders only: a link, a device or a name that leads outside is refused, as are more than MOST_BYTES.

    Returns:
      `folder`.

    Raises:
      RunError: refused, damaged, or the disk is full; `folder` is then as it was.
    """
    with _told(f"cannot unpack {archive}", _AGAIN), replacing(folder) as scratch, _members(archive) as members:
        scratch.mkdir()
        for member in members:
            _write(member, scratch)
    return folder


def read_member(archive: Path, name: str) -> bytes | None:
    """The bytes of one file of an archive, which is read to its end so that damage does not pass; writes nothing.

    Args:
      archive: a .tgz, .tar.gz, .tar or .zip.
      name: full name or base name; where several match, a full name wins, then the first.

    Returns:
      the bytes, or None if no file is so named.

    Raises:
      RunError: the archive is damaged or can not be read.
    """
    found: dict[bool, bytes] = {}  # by: was it the full name?
    with _told(f"cannot read {archive}", _AGAIN), _members(archive) as members:
        for member in members:
            full = member.name.removeprefix("./") == name
            if member.is_file and full not in found and (full or PurePosixPath(member.name).name == name):
                found[full] = b"".join(member.read())
    return found.get(True, found.get(False))


def read_through(archive: Path) -> None:
    """Reads an archive to its end, where the checksums are.

    Raises:
      RunError, or one of DAMAGE: it is not whole.
    """
    with _members(archive) as members:
        for member in members:
            collections.deque(member.read(), maxlen=0)


def read_members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """The files of an archive, in its order, read to its end so that damage does not pass; writes nothing.

    Args:
      archive: a .tgz, .tar.gz, .tar or .zip of the user's.
      wanted: says of a base name whether its bytes are.

    Yields:
      (base name, bytes), one file in memory at a time.

    Raises:
      RunError: the archive is damaged or can not be read.
    """
    with _told(f"cannot read {archive}", "get it again"), _members(archive) as members:
        for member in members:
            name = PurePosixPath(member.name).name
            if member.is_file and wanted(name):
                yield name, b"".join(member.read())


@contextlib.contextmanager
def _told(what: str, advice: str) -> Iterator[None]:
    """Turns what reading or unpacking an archive can raise into one line."""
    try:
        yield
    except DAMAGE as error:
        raise RunError(f"{what}: it is damaged ({meaning(error)}); {advice}") from error
    except OSError as error:
        raise RunError(f"{what}: {error.strerror or error}") from error


@dataclasses.dataclass(frozen=True)
class _Member:
    """One entry of an archive, whichever its format."""

    name: str  # as it stands in the archive
    size: int  # bytes, unpacked
    is_file: bool
    is_folder: bool
    read: Callable[[], Iterator[bytes]]


@contextlib.contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    """Goes through an archive to its very end; what it is is seen from its first bytes."""
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
                f"refused at {member.name!r}: over {MOST_BYTES:,} bytes or {MOST_MEMBERS:,} members, a bomb?"
            )
        yield member


def _zip_members(archive: Path) -> Generator[_Member, None, None]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise zipfile.BadZipFile(f"{info.filename!r} is compressed in way {info.compress_type}")
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the packer knew no Unix
            read = functools.partial(_pieces, functools.partial(file.open, info))
            folder = info.filename.endswith("/")  # is_dir() fails on an empty name in Python 3.11
            is_file, is_folder = not folder and kind in (0, stat.S_IFREG), folder and kind in (0, stat.S_IFDIR)
            yield _Member(info.filename, info.file_size, is_file, is_folder, read)


class _Gzip(gzip.GzipFile):
    """Reads no more than is sane, at once or in all."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _MOST_AT_ONCE or self.tell() > 2 * MOST_BYTES:
            raise tarfile.ReadError("a header of senseless size")
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
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # tarfile takes any bad header for the end
                raise tarfile.ReadError("no end mark")
        while file.read(_CHUNK):  # the digest of a gzip stream stands at its end
            pass


def _pieces(opened: Callable[[], IO[bytes] | None]) -> Iterator[bytes]:
    file = opened()
    if file is not None:  # tarfile opens no links and devices
        with file:
            while piece := file.read(_CHUNK):
                yield piece


def _write(member: _Member, folder: Path) -> None:
    # Read as a Windows path, a name shows its tricks for either system: drive, backslash and "..".
    name = PureWindowsPath(member.name)
    inside = all(part.strip(". ") for part in name.parts)  # "..", and ".. ", which Windows takes for it
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
