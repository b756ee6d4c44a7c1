"""Photo digests in, features out: the bottlenecks that were computed once, in one SQLite file.

A row for each (backbone key, photo digest) with float32 bytes and a checksum, and a row for each file with its size, time
and digest, so that an unchanged photo is neither read nor hashed again. Many processes may use it (write-ahead log). What
is written is committed a batch at a time; a kill loses a batch at most. A broken row is a miss, and said; a broken file
is set aside. Never pickle, never text.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError

FORMAT = 2  # raise it when rows are written in another way; older ones are then computed again
FILE_NAME = "bottlenecks.sqlite"
_BUSY_TIMEOUT_S = 60.0
_ROWS_AT_ONCE = 256
# Measured on 100,000 x 256: a row looked up takes 17 us, a row passed in a scan 2 us (another backbone's, 0.5 us).
_SCAN_FROM = 8
# A table with row numbers: rows are appended as they come and read in that order. WITHOUT ROWID was tried: rows of 1 kB
# and more, in the order of their digests, took three times as long to write and three times the room.
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS backbone (id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL)",
    """CREATE TABLE IF NOT EXISTS bottleneck (
    backbone INTEGER NOT NULL, photo BLOB NOT NULL, checksum INTEGER NOT NULL, features BLOB NOT NULL,
    PRIMARY KEY (backbone, photo)
)""",
    # Names are bytes: Linux allows names that are no text.
    """CREATE TABLE IF NOT EXISTS file (
    folder BLOB NOT NULL, name BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, photo BLOB NOT NULL,
    PRIMARY KEY (folder, name)
) WITHOUT ROWID""",
)

_Row = tuple[bytes, int, bytes]  # digest, checksum, features
_T = TypeVar("_T")


@dataclass(frozen=True)
class KnownFile:
    """What the store knows of one file."""

    size: int  # bytes
    mtime_ns: int
    sha256: str


def key_of(**parts: object) -> str:
    """The text under which features are kept: everything that can change the numbers, and the format's version.

    >>> key_of(backbone="ab12", view="plain")
    '{"backbone": "ab12", "store": 2, "view": "plain"}'
    """
    return json.dumps({**parts, "store": FORMAT}, sort_keys=True)


class Store:
    """The features of photos, on disk.

    Args:
      folder: --bottleneck_dir; made if it is missing.

    Attributes:
      notes: what went wrong and was mended, a line each, for the user.

    Raises:
      RunError: from any method, if the folder can not be written, the disk is full or another process holds the file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self.notes: list[str] = []
        with self._told():
            folder.mkdir(parents=True, exist_ok=True)
            self._db = self._open()

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()

    def files(self, folder: Path) -> dict[str, KnownFile]:
        """What is known of the files in one folder: name -> KnownFile."""
        query = "SELECT name, size, mtime_ns, photo FROM file WHERE folder = ?"
        rows = self._surely(lambda: self._db.execute(query, (_real(folder),)).fetchall())
        return {os.fsdecode(name): KnownFile(size, mtime_ns, photo.hex()) for name, size, mtime_ns, photo in rows}

    def remember_files(self, folder: Path, files: dict[str, KnownFile]) -> None:
        """Keeps the digests of files in one folder."""
        place = _real(folder)
        rows = [(place, os.fsencode(name), f.size, f.mtime_ns, bytes.fromhex(f.sha256)) for name, f in files.items()]

        def keep() -> None:
            with self._db:
                self._db.executemany("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?)", rows)

        self._surely(keep)

    def read(
        self, key: str, photos: Sequence[str], width: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Reads features.

        Args:
          key: see `key_of`.
          photos: digests, hex; the same one may come more than once.
          width: features a photo.

        Returns:
          (float32 [photos, width], bool [photos]): the features, and which of them are there; the others are zero.
        """
        return self._surely(lambda: self._read(key, photos, width))

    def write(self, key: str, rows: Iterable[tuple[str, npt.NDArray[np.float32]]]) -> None:
        """Keeps features: (digest, float32 [width]) a photo; all of them or, if the process dies, none."""
        pairs = [(bytes.fromhex(digest), features.astype("<f4").tobytes()) for digest, features in rows]
        photos, data = [photo for photo, _ in pairs], [data for _, data in pairs]
        checksums = _checksums(key, photos, data)

        def keep() -> None:
            with self._db:
                self._db.execute("INSERT OR IGNORE INTO backbone (key) VALUES (?)", (key,))
                number = self._number(key)
                self._db.executemany(
                    "INSERT OR REPLACE INTO bottleneck VALUES (?, ?, ?, ?)",
                    zip(repeat(number), photos, checksums, data),
                )

        self._surely(keep)

    def _read(
        self, key: str, photos: Sequence[str], width: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        features = np.zeros((len(photos), width), np.float32)
        found = np.zeros(len(photos), np.bool_)
        places: dict[bytes, int] = {}  # where each digest comes first
        first = [places.setdefault(bytes.fromhex(digest), place) for place, digest in enumerate(photos)]
        damaged = 0
        for rows in self._rows(key, places):
            photo, checksums, data = zip(*rows, strict=True)
            at = np.array([places.get(digest, -1) for digest in photo])
            whole = np.array(checksums) == _checksums(key, photo, data)
            whole &= np.array(list(map(len, data))) == 4 * width
            damaged += int(((at >= 0) & ~whole).sum())
            use = (at >= 0) & whole
            features[at[use]] = np.frombuffer(b"".join(compress(data, use)), "<f4").reshape(-1, width)
            found[at[use]] = True
        again = [place for place, at in enumerate(first) if at != place]
        features[again] = features[[first[place] for place in again]]
        found[again] = found[[first[place] for place in again]]
        if damaged:
            self.notes.append(f"{damaged} kept features are damaged and will be computed again ({self.path})")
        return features, found

    def _rows(self, key: str, photos: dict[bytes, int]) -> Iterator[list[_Row]]:
        """The rows of these photos, perhaps among others: looked up where few are wanted, else in one scan."""
        number = self._number(key)
        if number is None:
            return
        (most,) = self._db.execute("SELECT coalesce(max(rowid), 0) FROM bottleneck").fetchone()
        columns = "SELECT photo, checksum, features FROM bottleneck"
        if len(photos) * _SCAN_FROM < most:
            one = f"{columns} WHERE backbone = ? AND photo = ?"
            for photo in sorted(photos):  # in the order of the index
                if row := self._db.execute(one, (number, photo)).fetchone():
                    yield [row]
            return
        cursor = self._db.execute(f"{columns} NOT INDEXED WHERE backbone = ?", (number,))
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            yield rows

    def _number(self, key: str) -> int | None:
        row = self._db.execute("SELECT id FROM backbone WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def _surely(self, work: Callable[[], _T]) -> _T:
        """Does the work; where the file turns out to be damaged, does it once more on a new one."""
        with self._told():
            try:
                return work()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._db.close()
                self._db = self._start_over(error, self._inode)
                return work()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turns what the system says into one line."""
        try:
            yield
        except (OSError, sqlite3.OperationalError) as error:
            why = getattr(error, "strerror", None) or error
            raise RunError(
                f"cannot keep features in {self.path}: {why}; make room there or choose another --bottleneck_dir"
            ) from error

    def _open(self) -> sqlite3.Connection:
        inode = _inode(self.path)
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            return self._start_over(error, inode)

    def _start_over(self, error: sqlite3.DatabaseError, inode: int) -> sqlite3.Connection:
        """Sets a damaged file aside, unless another process has done so, and opens a new one."""
        if _inode(self.path) == inode:
            aside = self.path.with_suffix(".broken")
            for log in (f"{self.path}-wal", f"{self.path}-shm"):
                Path(log).unlink(missing_ok=True)
            self.path.replace(aside)
            self.notes.append(
                f"{self.path} is damaged ({error}); it was set aside as {aside.name}, features are computed again"
            )
        return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S)
        try:
            _use_write_ahead_log(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > FORMAT:
                raise RunError(
                    f"cannot use {self.path}: it was written by a newer version; choose another --bottleneck_dir"
                )
            if version < FORMAT:
                with connection:
                    for statement in ("BEGIN IMMEDIATE", *_SCHEMA, f"PRAGMA user_version = {FORMAT}"):
                        connection.execute(statement)
            connection.execute("SELECT count(*) FROM backbone").fetchone()
        except BaseException:
            connection.close()
            raise
        self._inode = _inode(self.path)
        return connection


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Asks for it until it is there: SQLite does not wait here when another process does the same at the same moment."""
    until = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _checksums(key: str, photos: Iterable[bytes], data: Iterable[bytes]) -> list[int]:
    """Of key, digest and features together: a damaged index can not pass off one photo's features as another's."""
    return list(map(zlib.crc32, data, map(zlib.crc32, photos, repeat(zlib.crc32(key.encode())))))


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    # "malformed" and "not a database" are of this very class; a full disk or a lock, and our own mistakes, of others.
    return type(error) is sqlite3.DatabaseError


def _inode(path: Path) -> int:
    """The number of the file that has this name now; 0 if there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _real(folder: Path) -> bytes:
    return os.fsencode(os.path.realpath(folder))
