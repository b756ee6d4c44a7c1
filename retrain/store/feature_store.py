"""Stores the features (bottlenecks) of photos by the photos' digests, in one SQLite file.

There is one row for each backbone key and photo digest, with float32 bytes and a checksum. The same file stores what is known
about files (`known_files`), so that an unchanged photo is neither read nor hashed again. Many processes can use the file at
the same time (write-ahead log). Rows are committed in batches; a killed process loses at most one batch. A damaged row is
computed again, with a note; a damaged file is renamed and replaced. Nothing is stored as pickle or text.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from retrain.store import known_files
from retrain.store.known_files import KnownFile
from retrain.store.sqlite_file import DAMAGE, Database

FORMAT = 2  # increase it when the format of rows changes; older rows are then computed again
FILE_NAME = "bottlenecks.sqlite"
_ROWS_AT_ONCE = 256
_SCANNED_AT_ONCE = 1024
# Measured on 100,000 x 256: looking up a row takes 20 us; reading a row in a scan takes 2 us (0.5 us for a row of another backbone).
_SCAN_FROM = 8
# A table with row numbers: rows are appended in the order of arrival and read in that order. WITHOUT ROWID was tried: rows of
# 1 kB and more, in the order of their digests, took three times as long to write and three times the space.
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS backbone (id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL)",
    """CREATE TABLE IF NOT EXISTS bottleneck (
    backbone INTEGER NOT NULL, photo BLOB NOT NULL, checksum INTEGER NOT NULL, features BLOB NOT NULL,
    PRIMARY KEY (backbone, photo)
)""",
    # What older versions stored about files, by size and time alone. They share stores with this version, so the table is kept, unread.
    """CREATE TABLE IF NOT EXISTS file (
    folder BLOB NOT NULL, name BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, photo BLOB NOT NULL,
    PRIMARY KEY (folder, name)
) WITHOUT ROWID""",
)

_Row = tuple[bytes, int, bytes]  # digest, checksum, features; in a damaged file, the types may differ


def key_of(**parts: object) -> str:
    """Makes the key of stored features: everything that can change the numbers, and the version of the format.

    >>> key_of(backbone="ab12", view="plain")
    '{"backbone": "ab12", "store": 2, "view": "plain"}'
    """
    return json.dumps({**parts, "store": FORMAT}, sort_keys=True)


class Store:
    """The stored features of photos.

    Args:
      folder: --bottleneck_dir; created if it is missing.

    Attributes:
      notes: problems that were repaired, one line each, for the user.

    Raises:
      RunError: from any method, if the folder cannot be written, the disk is full or another process locks the file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._database = Database(self.path, FORMAT, _SCHEMA, known_files.TABLES)
        self.notes = self._database.notes

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def files(self, folder: Path) -> dict[str, KnownFile]:
        """Returns what is stored about the files in one folder: name -> KnownFile."""
        return known_files.read(self._database, folder)

    def remember_files(self, folder: Path, files: dict[str, KnownFile]) -> None:
        """Stores the digests of files in one folder."""
        known_files.write(self._database, folder, files)

    def forget_files(self, folder: Path, names: Iterable[str]) -> None:
        """Deletes what is stored about files that no longer exist."""
        known_files.drop(self._database, folder, names)

    def holds(self) -> dict[str, tuple[list[str], int]]:
        """Lists the stored features: key -> (digests, number of features for each photo)."""
        query = """SELECT key, photo, length(features) / 4 FROM bottleneck JOIN backbone ON backbone.id = backbone
            WHERE typeof(photo) = 'blob' AND typeof(features) = 'blob' ORDER BY bottleneck.rowid"""
        found: dict[str, tuple[list[str], int]] = {}
        for key, photo, width in self._database.with_repair(lambda: self._connection.execute(query).fetchall()):
            found.setdefault(key.decode(), ([], width))[0].append(photo.hex())
        return found

    def read(
        self, key: str, photos: Sequence[str], width: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Reads features.

        Args:
          key: see `key_of`.
          photos: digests, hex; a digest may occur more than once.
          width: number of features for each photo.

        Returns:
          (float32 [photos, width], bool [photos]): the features, and which of them are stored; the others are zero.
        """
        features = np.zeros((len(photos), width), np.float32)
        found = np.zeros(len(photos), np.bool_)
        wanted = list(map(bytes.fromhex, photos))
        places = dict(
            zip(reversed(wanted), range(len(wanted) - 1, -1, -1), strict=True)
        )  # the first position of each digest
        with self._database.errors_in_one_line():
            try:
                self._fill(key, places, features, found)
            except DAMAGE as error:
                self._database.replace_damaged(error)
                sound = np.flatnonzero(found)
                for start in range(0, len(sound), _ROWS_AT_ONCE):
                    self.write(key, [(photos[at], features[at]) for at in sound[start : start + _ROWS_AT_ONCE]])
        if len(places) < len(wanted):
            first = [places[photo] for photo in wanted]
            features, found = features[first], found[first]
        return features, found

    def write(self, key: str, rows: Iterable[tuple[str, npt.NDArray[np.float32]]]) -> None:
        """Stores features, (digest, float32 [width]) for each photo: all of them or, if the process is killed, none."""
        packed: list[_Row] = []
        seed = _seed(key)
        for digest, features in rows:
            photo, data = bytes.fromhex(digest), features.astype("<f4").tobytes()
            packed.append((photo, zlib.crc32(data, zlib.crc32(photo, seed)), data))

        def keep() -> None:
            with self._connection as connection:
                connection.execute("INSERT OR IGNORE INTO backbone (key) VALUES (?)", (key,))
                number = self._number(key)
                connection.executemany(
                    "INSERT OR REPLACE INTO bottleneck VALUES (?, ?, ?, ?)", [(number, *row) for row in packed]
                )

        self._database.with_repair(keep)

    def related(self, key: str, part: str) -> list[str]:
        """Returns other keys of stored features that differ only in one part, oldest first."""

        def rest(text: str) -> object:
            try:
                return {name: value for name, value in json.loads(text).items() if name != part}
            except (ValueError, AttributeError):  # damaged
                return None

        rows = self._database.with_repair(
            lambda: self._connection.execute("SELECT key FROM backbone ORDER BY id").fetchall()
        )
        keys = [os.fsdecode(found) for (found,) in rows if isinstance(found, bytes)]
        wanted = rest(key)
        return [found for found in keys if found != key and rest(found) == wanted]

    def count(self, key: str, photos: Iterable[str]) -> int:
        """Counts those of these photos that have features stored under a key."""
        query = "SELECT photo FROM bottleneck WHERE backbone = ?"

        def kept() -> set[bytes]:
            return {photo for (photo,) in self._connection.execute(query, (self._number(key),))}

        return len(self._database.with_repair(kept) & set(map(bytes.fromhex, photos)))

    def drop(self, key: str) -> int:
        """Deletes all features under a key; returns the number of photos that had some."""

        def work() -> int:
            with self._connection as connection:
                number = self._number(key)
                dropped = connection.execute("DELETE FROM bottleneck WHERE backbone = ?", (number,)).rowcount
                connection.execute("DELETE FROM backbone WHERE id = ?", (number,))
            return dropped

        return self._database.with_repair(work)

    def forget(self, photos: Iterable[str], part: str) -> None:
        """Deletes the features of these photos under every key that contains this part."""
        digests = sorted(map(bytes.fromhex, set(photos)))

        def work() -> None:
            with self._connection as connection:
                for number, key in connection.execute("SELECT id, key FROM backbone").fetchall():
                    if not isinstance(key, bytes) or f'"{part}": '.encode() not in key:
                        continue
                    connection.executemany(
                        "DELETE FROM bottleneck WHERE backbone = ? AND photo = ?",
                        [(number, photo) for photo in digests],
                    )

        self._database.with_repair(work)

    def _fill(
        self,
        key: str,
        places: dict[bytes, int],
        features: npt.NDArray[np.float32],
        found: npt.NDArray[np.bool_],
    ) -> None:
        """Copies the rows that exist and are undamaged into `features`."""
        seed, size, damaged = _seed(key), 4 * features.shape[1], 0
        place_of, crc32 = places.get, zlib.crc32  # local names, because this loop can see a million rows
        for rows in self._rows(key, places):
            at, good = [], []
            for photo, checksum, data in rows:
                place = place_of(photo)
                if place is None:
                    continue
                if type(data) is bytes and len(data) == size and crc32(data, crc32(photo, seed)) == checksum:
                    at.append(place)
                    good.append(data)
                else:
                    damaged += 1
            features[at] = np.frombuffer(b"".join(good), "<f4").reshape(-1, features.shape[1])
            found[at] = True
        if damaged:
            self.notes.append(f"{damaged} stored features are damaged and will be computed again ({self.path})")

    def _rows(self, key: str, photos: dict[bytes, int]) -> Iterator[list[_Row]]:
        """Yields the rows of these photos, and perhaps others: looked up if few are wanted, otherwise read in one scan."""
        number, connection = self._number(key), self._connection
        if number is None:
            return
        (most,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM bottleneck").fetchone()
        columns = "SELECT photo, checksum, features FROM bottleneck"
        if len(photos) * _SCAN_FROM < most:
            one = f"{columns} WHERE backbone = ? AND photo = ?"
            wanted = sorted(photos)  # in index order
            for start in range(0, len(wanted), _ROWS_AT_ONCE):
                some = wanted[start : start + _ROWS_AT_ONCE]
                yield [row for photo in some for row in connection.execute(one, (number, photo))]
            return
        seen = 0
        connection.execute("BEGIN")  # so that no other process adds rows between the two queries
        try:
            query = "SELECT count(*) FROM bottleneck WHERE backbone = ?"
            (indexed,) = connection.execute(query, (number,)).fetchone()
            cursor = connection.execute(f"{columns} NOT INDEXED WHERE backbone = ?", (number,))
            while rows := cursor.fetchmany(_SCANNED_AT_ONCE):
                seen += len(rows)
                yield rows
        finally:
            connection.rollback()
        if seen != indexed:
            raise sqlite3.DatabaseError(f"{indexed} rows in the index, {seen} in the table")

    def _number(self, key: str) -> int | None:
        row = self._connection.execute("SELECT id FROM backbone WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    @property
    def _connection(self) -> sqlite3.Connection:
        return self._database.connection


def _seed(key: str) -> int:
    """Returns the initial value of the checksums of rows under a key.

    The checksum covers key, digest and features together, so that a damaged index cannot return one photo's features for another.
    """
    return zlib.crc32(key.encode())
