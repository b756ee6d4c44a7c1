"""Opens an SQLite file that many processes can use, and replaces it if it is damaged.

This module does not know the contents: `feature_store` and `known_files` define tables and queries.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from label_image.errors import RunError

# Errors that damage can cause, among others: see `is_damage`. SQLite may quote a damaged schema that is not valid text.
DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
_NEWEST = 20  # the largest plausible format version; a larger number means a damaged byte
_PAGE = (
    16_384  # bytes: rows of 1 to 5 kB are read a third faster than from SQLite's 4,096, and the file is a fifth smaller
)
_BUSY_TIMEOUT_S = 60.0

T = TypeVar("T")


class Database:
    """An SQLite file with a write-ahead log.

    Args:
      path: the file; its folder is created if it is missing.
      version: of the schema.
      schema: statements that create missing tables.
      later: table -> statement, of tables that an older program of the same version did not make.

    Attributes:
      connection: the connection to the current file.
      notes: problems that were repaired, one line each, for the user.

    Raises:
      RunError: the folder cannot be written, the disk is full, or another process locks the file for too long.
    """

    def __init__(self, path: Path, version: int, schema: Sequence[str], later: Mapping[str, str] | None = None) -> None:
        self.path, self._version, self._schema, self._later = path, version, schema, later or {}
        self.notes: list[str] = []
        with self.errors_in_one_line():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = self._open()

    def close(self) -> None:
        """Closes the file."""
        self.connection.close()

    def with_repair(self, work: Callable[[], T]) -> T:
        """Does the work; if the file proves to be damaged, repeats the work once on a new file."""
        with self.errors_in_one_line():
            try:
                return work()
            except DAMAGE as error:
                self.replace_damaged(error)
                return work()

    @contextlib.contextmanager
    def errors_in_one_line(self) -> Iterator[None]:
        """Turns errors of the system into one line."""
        try:
            yield
        except (OSError, sqlite3.OperationalError) as error:
            why = getattr(error, "strerror", None) or error
            raise RunError(
                f"cannot keep features in {self.path}: {why}; free some space there or choose another --bottleneck_dir"
            ) from error

    def replace_damaged(self, error: Exception) -> None:
        """Opens a new file in place of a damaged one; raises `error` if it does not indicate damage."""
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
        """Renames the damaged file, unless another process has done so."""
        if _inode(self.path) != self._inode:
            return
        aside = self.path.with_suffix(".broken")
        for log in (f"{self.path}-wal", f"{self.path}-shm"):
            Path(log).unlink(missing_ok=True)
        self.path.replace(aside)
        self.notes.append(
            f"{self.path} is damaged ({error}); it was renamed to {aside.name}, and the features that could not be read are computed again"
        )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S)
        connection.text_factory = bytes  # a damaged column type must not cause decoding as text
        try:
            connection.execute(f"PRAGMA page_size = {_PAGE}")  # for a new file; an existing file keeps its own size
            _use_write_ahead_log(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > self._version + _NEWEST:
                raise sqlite3.DatabaseError(f"its format version is {version}")
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
    """Whether an error means a damaged file, and not a full disk, a lock or a mistake in our code."""
    if isinstance(error, sqlite3.OperationalError):
        return str(error).startswith("no such")  # table or column: the text of the schema is damaged
    # "malformed" and "not a database" raise DatabaseError itself. Our code never violates a constraint, but a damaged index may.
    return type(error) in (sqlite3.DatabaseError, sqlite3.IntegrityError, UnicodeDecodeError)


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switches to the write-ahead log, with repeated attempts: SQLite does not wait while another process does the same."""
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
    """Returns the inode of the file that currently has this name; 0 if there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
