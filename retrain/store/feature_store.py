"""Features by their photos' digests: the bottlenecks that were computed once, in one SQLite file.

A row for each (backbone key, photo digest) with float32 bytes and a checksum; beside them, what is known of files
(`known_files`), so that an unchanged photo is neither read nor hashed again. Many processes may use it (write-ahead log). What is
written is committed a batch at a time; a kill loses a batch at most. A broken row is a miss, and said; a broken file is set
aside. Never pickle, never text.
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

FORMAT = 2  # raise it when rows are written in another way; older ones are then computed again
FILE_NAME = "bottlenecks.sqlite"
_ROWS_AT_ONCE = 256
_SCANNED_AT_ONCE = 1024
# Measured on 100,000 x 256: a row looked up takes 20 us, a row passed in a scan 2 us (another backbone's, 0.5 us).
_SCAN_FROM = 8
# A table with row numbers: rows are appended as they come and read in that order. WITHOUT ROWID was tried: rows of 1 kB
# and more, in the order of their digests, took three times as long to write and three times the room.
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS backbone (id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL)",
    """CREATE TABLE IF NOT EXISTS bottleneck (
    backbone INTEGER NOT NULL, photo BLOB NOT NULL, checksum INTEGER NOT NULL, features BLOB NOT NULL,
    PRIMARY KEY (backbone, photo)
)""",
    # What older versions knew of files, by size and time alone. They share stores with this one, so it stays; it is not read.
    """CREATE TABLE IF NOT EXISTS file (
    folder BLOB NOT NULL, name BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, photo BLOB NOT NULL,
    PRIMARY KEY (folder, name)
) WITHOUT ROWID""",
)

_Row = tuple[bytes, int, bytes]  # digest, checksum, features; of a damaged file, anything


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
        self._database = Database(self.path, FORMAT, _SCHEMA, known_files.TABLES)
        self.notes = self._database.notes

    def close(self) -> None:
        """Lets go of the file."""
        self._database.close()

    def files(self, folder: Path) -> dict[str, KnownFile]:
        """What is known of the files in one folder: name -> KnownFile."""
        return known_files.read(self._database, folder)

    def remember_files(self, folder: Path, files: dict[str, KnownFile]) -> None:
        """Keeps the digests of files in one folder."""
        known_files.write(self._database, folder, files)

    def forget_files(self, folder: Path, names: Iterable[str]) -> None:
        """Drops what is known of files that are no longer there."""
        known_files.drop(self._database, folder, names)

    def holds(self) -> dict[str, tuple[list[str], int]]:
        """What features are kept: key -> (digests, features a photo)."""
        query = """SELECT key, photo, length(features) / 4 FROM bottleneck JOIN backbone ON backbone.id = backbone
            WHERE typeof(photo) = 'blob' AND typeof(features) = 'blob' ORDER BY bottleneck.rowid"""
        found: dict[str, tuple[list[str], int]] = {}
        for key, photo, width in self._database.surely(lambda: self._connection.execute(query).fetchall()):
            found.setdefault(key.decode(), ([], width))[0].append(photo.hex())
        return found

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
        features = np.zeros((len(photos), width), np.float32)
        found = np.zeros(len(photos), np.bool_)
        wanted = list(map(bytes.fromhex, photos))
        places = dict(zip(reversed(wanted), range(len(wanted) - 1, -1, -1), strict=True))  # where each comes first
        with self._database.told():
            try:
                self._fill(key, places, features, found)
            except DAMAGE as error:
                self._database.start_over(error)
                sound = np.flatnonzero(found)
                for start in range(0, len(sound), _ROWS_AT_ONCE):
                    self.write(key, [(photos[at], features[at]) for at in sound[start : start + _ROWS_AT_ONCE]])
        if len(places) < len(wanted):
            first = [places[photo] for photo in wanted]
            features, found = features[first], found[first]
        return features, found

    def write(self, key: str, rows: Iterable[tuple[str, npt.NDArray[np.float32]]]) -> None:
        """Keeps features: (digest, float32 [width]) a photo; all of them or, if the process dies, none."""
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

        self._database.surely(keep)

    def related(self, key: str, part: str) -> list[str]:
        """Other keys under which features are kept that are equal but for one part, in the order in which they came."""

        def rest(text: str) -> object:
            try:
                return {name: value for name, value in json.loads(text).items() if name != part}
            except (ValueError, AttributeError):  # damaged
                return None

        rows = self._database.surely(
            lambda: self._connection.execute("SELECT key FROM backbone ORDER BY id").fetchall()
        )
        keys = [os.fsdecode(found) for (found,) in rows if isinstance(found, bytes)]
        wanted = rest(key)
        return [found for found in keys if found != key and rest(found) == wanted]

    def count(self, key: str, photos: Iterable[str]) -> int:
        """How many of these photos have features under a key."""
        query = "SELECT photo FROM bottleneck WHERE backbone = ?"

        def kept() -> set[bytes]:
            return {photo for (photo,) in self._connection.execute(query, (self._number(key),))}

        return len(self._database.surely(kept) & set(map(bytes.fromhex, photos)))

    def drop(self, key: str) -> int:
        """Drops all features under a key; returns of how many photos there were some."""

        def work() -> int:
            with self._connection as connection:
                number = self._number(key)
                dropped = connection.execute("DELETE FROM bottleneck WHERE backbone = ?", (number,)).rowcount
                connection.execute("DELETE FROM backbone WHERE id = ?", (number,))
            return dropped

        return self._database.surely(work)

    def forget(self, photos: Iterable[str], part: str) -> None:
        """Drops the features of these photos under every key that has this part."""
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

        self._database.surely(work)

    def _fill(
        self,
        key: str,
        places: dict[bytes, int],
        features: npt.NDArray[np.float32],
        found: npt.NDArray[np.bool_],
    ) -> None:
        """Puts the rows that are there and sound in their places."""
        seed, size, damaged = _seed(key), 4 * features.shape[1], 0
        place_of, crc32 = places.get, zlib.crc32  # a million rows come through here
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
            self.notes.append(f"{damaged} kept features are damaged and will be computed again ({self.path})")

    def _rows(self, key: str, photos: dict[bytes, int]) -> Iterator[list[_Row]]:
        """The rows of these photos, perhaps among others: looked up where few are wanted, else in one scan."""
        number, connection = self._number(key), self._connection
        if number is None:
            return
        (most,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM bottleneck").fetchone()
        columns = "SELECT photo, checksum, features FROM bottleneck"
        if len(photos) * _SCAN_FROM < most:
            one = f"{columns} WHERE backbone = ? AND photo = ?"
            wanted = sorted(photos)  # in the order of the index
            for start in range(0, len(wanted), _ROWS_AT_ONCE):
                some = wanted[start : start + _ROWS_AT_ONCE]
                yield [row for photo in some for row in connection.execute(one, (number, photo))]
            return
        seen = 0
        connection.execute("BEGIN")  # so that no other process's rows come between the two queries
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
            raise sqlite3.DatabaseError(f"{indexed} rows by its index, {seen} by its table")

    def _number(self, key: str) -> int | None:
        row = self._connection.execute("SELECT id FROM backbone WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    @property
    def _connection(self) -> sqlite3.Connection:
        return self._database.connection


def _seed(key: str) -> int:
    """Where the checksum of a row begins.

    It covers key, digest and features together: a damaged index can not pass off one photo's features as another's.
    """
    return zlib.crc32(key.encode())
