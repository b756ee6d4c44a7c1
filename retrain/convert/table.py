"""Reads a CSV into rows: determines its separator, its encoding and the meaning of its columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import RunError
from retrain.convert.columns import (
    LABELS,
    PATHS,
    Asked,
    Row,
    asked_column,
    has_header,
    known_columns,
    plain,
    split_columns,
)

_SEPARATORS = (",", ";", "\t", "|", " ")
_NO_NUL = "\ufffd"  # replaces a NUL, which no file name contains and which Python 3.10 refuses in a CSV
_LOOKED = 50  # number of rows that are examined to determine separators and columns


@dataclass(frozen=True)
class CsvTable:
    """The contents of a CSV."""

    header: tuple[str, ...]  # names of the columns; () if the file has none
    rows: tuple[Row, ...]
    path: int  # index of the column; so is the next field
    label: int
    splits: tuple[int, ...]  # columns for the subset; several if there are is_test and is_valid, for example
    asked: bool = False  # whether the user named the column of subsets

    def name(self, column: int) -> str:
        """Returns a column's name, or its number if it has no name."""
        return self.header[column] if self.header else f"column {column + 1}"


def read_table(src: Path, asked: Asked, is_photo: Callable[[str], bool]) -> CsvTable:
    """Reads a file.

    Args:
      src: the CSV, in UTF-8 or UTF-16; columns are separated by commas, semicolons, tabs, bars or spaces.
      asked: the columns that the user named.
      is_photo: whether a cell names an existing photo.

    Raises:
      UserError: the file has no such column.
      RunError: the file is not a CSV, or its columns for path and label are unknown.
    """
    text = _text(src)
    rows = _rows(src, text, _separator(text))
    if not rows:
        return CsvTable((), (), 0, 1, ())
    header = has_header(rows, asked, is_photo)
    names = rows[0].words if header else ()
    body = rows[1:] if header else rows
    path = asked_column(src, "path_column", asked.path, names, body)
    label = asked_column(src, "label_column", asked.label, names, body)
    if path is None or label is None:
        path, label = known_columns(src, names, rows, body, path, label, is_photo)
    splits = split_columns(src, asked.split, names, body)
    splits = tuple(column for column in splits if column not in (path, label))
    return CsvTable(names, tuple(body), path, label, splits, asked=bool(asked.split))


def describe_columns(table: CsvTable) -> list[str]:
    """Describes which columns were used; returns nothing if there are only path and label."""
    if len(table.header) < 3 and not table.splits:
        known = not table.header or plain(table.name(table.path)) in PATHS
        return (
            []
            if known and table.path == 0
            else [f"path from {table.name(table.path)!r}, label from {table.name(table.label)!r}"]
        )
    used = (table.path, table.label, *table.splits)
    words = [f"path from {table.name(table.path)!r}", f"label from {table.name(table.label)!r}"]
    if table.splits:
        words.append(f"train, validation and test from {' and '.join(repr(table.name(x)) for x in table.splits)}")
    ignored = [name for column, name in enumerate(table.header) if column not in used and name]
    text = ", ".join(words) + (f"; not read: {', '.join(map(repr, ignored))}" if ignored else "")
    also = [name for name in ignored if plain(name) in LABELS]
    return [text + (f" (--label_column={also[0]} would use that)" if also else "")]


def _text(src: Path) -> str:
    data = src.read_bytes()
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise RunError(f"cannot read {src}: it is not UTF-8 ({error.reason}); save it as UTF-8") from None


def _separator(text: str) -> str:
    """Returns the separator that gives the same number of columns in each of the first rows, and most columns in a header."""
    lines = [line for line in text.replace("\0", _NO_NUL).splitlines()[: _LOOKED + 1] if line.strip()]
    best, most = ",", (0, 0, 0, 0)
    for place, separator in enumerate(_SEPARATORS):
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
            names = {plain(word) for word in next(csv.reader(lines[:1], delimiter=separator), [])}
        except csv.Error:
            continue
        known = bool(names & set(PATHS)) + bool(names & set(LABELS))
        even = len(set(widths)) == 1
        if not widths or max(widths) < 2 or (separator == " " and (not even or widths[0] != 2)):
            continue
        mark = (known, even, min(widths) > 1, -place)
        if mark > most or most == (0, 0, 0, 0):
            best, most = separator, mark
    return best


def _rows(src: Path, text: str, separator: str) -> list[Row]:
    reader = csv.reader(io.StringIO(text.replace("\0", _NO_NUL), newline=""), delimiter=separator, strict=True)
    rows = []
    try:
        for cells in reader:
            words = tuple(cell.strip() for cell in cells)
            if any(words):
                rows.append(Row(reader.line_num, words))
    except csv.Error as error:
        raise RunError(f"cannot read {src}: line {reader.line_num} is not valid CSV ({error})") from None
    return rows
