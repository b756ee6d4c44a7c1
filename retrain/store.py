"""Photo digests in, features out: the bottlenecks that were computed once, in one SQLite file.

A row for each (backbone key, photo digest) with float32 bytes and a checksum, and a row for each file with its size, time
and digest, so that an unchanged photo is neither read nor hashed again. Many processes may use it (write-ahead log). What
is written is committed a batch at a time; a kill loses a batch at most. A broken row is a miss, and said; a broken file
is set aside. Never pickle, never text.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError

FORMAT = 1
FILE_NAME = "bottlenecks.sqlite"
_BUSY_TIMEOUT_S = 60.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS backbone (id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS bottleneck (
    backbone INTEGER NOT NULL, photo BLOB NOT NULL, checksum INTEGER NOT NULL, features BLOB NOT NULL,
    PRIMARY KEY (backbone, photo)
);
CREATE TABLE IF NOT EXISTS file (
    folder TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, photo BLOB NOT NULL,
    PRIMARY KEY (folder, name)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class KnownFile:
    """What the store knows of one file."""

    size: int  # bytes
    mtime_ns: int
    sha256: str


def key_of(**parts: object) -> str:
    """The text under which features are kept: everything that can change the numbers, and the format's version.

    >>> key_of(backbone="ab12", view="plain")
    '{"backbone": "ab12", "store": 1, "view": "plain"}'
    """
    return json.dumps({**parts, "store": FORMAT}, sort_keys=True)


class Store:
    """The features of photos, on disk.

    Args:
      folder: --bottleneck_dir; made if it is missing.

    Attributes:
      notes: what went wrong and was mended, a line each, for the user.

    Raises:
      RunError: if the folder can not be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self.notes: list[str] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = self._open()
        except (OSError, sqlite3.OperationalError) as error:
            raise RunError(f"cannot keep features in {folder}: {error}; choose another --bottleneck_dir") from None

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()

    def files(self, folder: Path) -> dict[str, KnownFile]:
        """What is known of the files in one folder: name -> KnownFile."""
        rows = self._db.execute("SELECT name, size, mtime_ns, photo FROM file WHERE folder = ?", (_real(folder),))
        return {name: KnownFile(size, mtime_ns, photo.hex()) for name, size, mtime_ns, photo in rows}

    def remember_files(self, folder: Path, files: dict[str, KnownFile]) -> None:
        """Keeps the digests of files in one folder."""
        rows = [(_real(folder), name, f.size, f.mtime_ns, bytes.fromhex(f.sha256)) for name, f in files.items()]
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?)", rows)

    def read(
        self, key: str, photos: Sequence[str], width: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Reads features.

        Args:
          key: see `key_of`.
          photos: digests, hex.
          width: features a photo.

        Returns:
          (float32 [photos, width], bool [photos]): the features, and which of them are there; the others are zero.
        """
        features = np.zeros((len(photos), width), np.float32)
        found = np.zeros(len(photos), np.bool_)
        places: dict[bytes, list[int]] = {}
        for place, digest in enumerate(photos):
            places.setdefault(bytes.fromhex(digest), []).append(place)
        broken = []
        for photo, checksum, data in self._rows(key, places):
            if len(data) != 4 * width or zlib.crc32(data) != checksum:
                broken.append(photo)
                continue
            rows = places[photo]
            features[rows] = np.frombuffer(data, "<f4")
            found[rows] = True
        if broken:
            self.notes.append(f"{len(broken)} kept features are damaged and will be computed again ({self.path})")
        return features, found

    def write(self, key: str, rows: Iterable[tuple[str, npt.NDArray[np.float32]]]) -> None:
        """Keeps features: (digest, float32 [width]) a photo; all of them or, if the process dies, none."""
        packed = []
        for photo, features in rows:
            data = features.astype("<f4").tobytes()
            packed.append((bytes.fromhex(photo), zlib.crc32(data), data))
        try:
            with self._db:
                self._db.execute("INSERT OR IGNORE INTO backbone (key) VALUES (?)", (key,))
                (number,) = self._db.execute("SELECT id FROM backbone WHERE key = ?", (key,)).fetchone()
                self._db.executemany(
                    "INSERT OR REPLACE INTO bottleneck VALUES (?, ?, ?, ?)", [(number, *row) for row in packed]
                )
        except sqlite3.OperationalError as error:
            raise RunError(f"cannot keep features in {self.path}: {error}; is the disk full?") from None

    def _rows(self, key: str, photos: dict[bytes, list[int]]) -> Iterable[tuple[bytes, int, bytes]]:
        number = self._db.execute("SELECT id FROM backbone WHERE key = ?", (key,)).fetchone()
        if number is None:
            return
        one = "SELECT photo, checksum, features FROM bottleneck WHERE backbone = ? AND photo = ?"
        for photo in sorted(photos):  # in the order of the index
            yield from self._db.execute(one, (number[0], photo))

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            aside = self.path.with_suffix(".broken")
            self.path.replace(aside)
            for leftover in (f"{self.path}-wal", f"{self.path}-shm"):
                Path(leftover).unlink(missing_ok=True)
            self.notes.append(
                f"{self.path} is damaged ({error}); it was set aside as {aside.name}, features are computed again"
            )
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._check_version(connection)
            connection.executescript(_SCHEMA)
            connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.execute("SELECT count(*) FROM backbone").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_version(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > FORMAT:
            raise RunError(
                f"cannot use {self.path}: it was written by a newer version; choose another --bottleneck_dir"
            )


def _real(folder: Path) -> str:
    return os.path.realpath(folder)
