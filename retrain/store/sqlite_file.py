"""A path in, one SQLite file out that many processes may use: opened, shared, and set aside when it is damaged.

Knows nothing of what is kept in it: tables and queries are the store's.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from label_image.errors import RunError

# What damage can raise, among others: see `is_damage`. What SQLite cites of a damaged schema may be no text.
DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
_NEWEST = 20  # formats that may come; a number beyond that is a damaged byte
_PAGE = (
    16_384  # bytes: rows of 1 to 5 kB are read a third faster than from SQLite's 4,096, and the file is a fifth smaller
)
_BUSY_TIMEOUT_S = 60.0

T = TypeVar("T")


class Database:
    """An SQLite file with a write-ahead log.

    Args:
      path: the file; its folder is made if it is missing.
      version: of the schema.
      schema: statements that make what is not there yet.
      later: table -> statement, of tables that an older program of the same version did not make.

    Attributes:
      connection: to the file that has the name now.
      notes: what went wrong and was mended, a line each, for the user.

    Raises:
      RunError: the folder can not be written, the disk is full, or another process holds the file for too long.
    """

    def __init__(self, path: Path, version: int, schema: Sequence[str], later: Mapping[str, str] | None = None) -> None:
        self.path, self._version, self._schema, self._later = path, version, schema, later or {}
        self.notes: list[str] = []
        with self.told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = self._open()

    def close(self) -> None:
        """Lets go of the file."""
        self.connection.close()

    def surely(self, work: Callable[[], T]) -> T:
        """Does the work; where the file turns out to be damaged, does it once more on a new one."""
        with self.told():
            try:
                return work()
            except DAMAGE as error:
                self.start_over(error)
                return work()

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Turns what the system says into one line."""
        try:
            yield
        except (OSError, sqlite3.OperationalError) as error:
            why = getattr(error, "strerror", None) or error
            raise RunError(
                f"cannot keep features in {self.path}: {why}; make room there or choose another --bottleneck_dir"
            ) from error

    def start_over(self, error: Exception) -> None:
        """Opens a new file in a damaged one's place; raises `error` where it is no sign of damage."""
        if not is_damage(error):
            raise error
        self.connection.close()
        self._set_aside(error)
        self.connection = self._connect()

    def _open(self) -> sqlite3.Connection:
        self._inode = _inode(self.path)
        try:
            return self._connect()
        except DAMAGE as error:
            if not is_damage(error):
                raise
            self._set_aside(error)
            return self._connect()

    def _set_aside(self, error: Exception) -> None:
        """Gives the damaged file another name, unless another process has done so."""
        if _inode(self.path) != self._inode:
            return
        aside = self.path.with_suffix(".broken")
        for log in (f"{self.path}-wal", f"{self.path}-shm"):
            Path(log).unlink(missing_ok=True)
        self.path.replace(aside)
        self.notes.append(
            f"{self.path} is damaged ({error}); it was set aside as {aside.name}, and what could not be read of it is computed again"
        )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S)
        connection.text_factory = bytes  # a damaged type must not become text that can not be decoded
        try:
            connection.execute(f"PRAGMA page_size = {_PAGE}")  # of a new file; an older one keeps its own
            _use_write_ahead_log(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > self._version + _NEWEST:
                raise sqlite3.DatabaseError(f"its format is said to be {version}")
            if version > self._version:
                raise RunError(
                    f"cannot use {self.path}: it was written by a newer version; choose another --bottleneck_dir"
                )
            if version < self._version:
                with connection:
                    for statement in ("BEGIN IMMEDIATE", *self._schema, f"PRAGMA user_version = {self._version}"):
                        connection.execute(statement)
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            for name, statement in self._later.items():
                if name.encode() not in there:
                    connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        self._inode = _inode(self.path)
        return connection


def is_damage(error: Exception) -> bool:
    """Tells a damaged file from a full disk or a lock, and from our own mistakes."""
    if isinstance(error, sqlite3.OperationalError):
        return str(error).startswith("no such")  # table or column: the letters of the schema are damaged
    # "malformed" and "not a database" are of the very class; we never break a constraint, a damaged index may.
    return type(error) in (sqlite3.DatabaseError, sqlite3.IntegrityError, UnicodeDecodeError)


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


def _inode(path: Path) -> int:
    """The number of the file that has this name now; 0 if there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
