"""Rows in, text out: one photo a row, for people (text), for programs (json, jsonl) and for tables (csv).

text   the original's form for one photo; for many, a block each: name, labels, empty line
json   one array, an element a line: {"image": ..., "labels": [{"label": ..., "score": ...}, ...], "error": null}
jsonl  the same objects, one a line, without the array
csv    image,label,score,error,label_2,score_2, ...: a row a photo, so that a table sorted by score stays a list of
       photos; the first four columns are the same whatever --top_k. Quoted as RFC 4180 says; lines end in LF, because
       `cut` and `awk` would find a CR in the last column

With --sort_into there are two more: `sorted` (copied, moved, already there) and `sorted_to`; with --explain `heat_map`, the
picture's file. In csv they are the last columns.
Scores have as many digits as a float32 needs to be read back exactly; one that is no number is null, in csv empty. All but
text is UTF-8. A name that is not: json has `\\udcff` for the byte ff (Python reads it back), csv shows `\\xff`.

Names and labels may hold anything. json and jsonl have them exactly (control characters as JSON's own escapes). text and csv show control characters as escapes (a
line end is `\\n`), so that a photo stays one row. In csv a cell that a spreadsheet would take for a formula, since it begins
with = + - or @, gets an apostrophe in front, as OWASP recommends; one that begins with apostrophes and then one of these
gets one more, so that a program that takes one off has the text back. Scores are numbers and stay as they are.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from label_image.terminal import CONTROLS, clean, warn

Write = Callable[[str], None]


@dataclass(frozen=True)
class ResultRow:
    """What is said of one photo."""

    image: str
    labels: tuple[tuple[str, float], ...] = ()  # (label, score), best first
    error: str = ""  # why there are no labels
    seconds: float = 0.0  # in the network
    sorted: str = ""  # what --sort_into did: copied, moved, already there
    sorted_to: str = ""  # where the photo now is
    heat_map: str = ""  # where --explain put the picture
    undone: str = "read"  # what could not be done, where there is an error


class Format(Protocol):
    """What turns rows into text: `begin` once, `row` for each, `end` once, also when the run is cut short."""

    def begin(self, labels: int) -> None:
        """Is told how many labels a row has at most."""

    def row(self, row: ResultRow) -> None:
        """Writes one row."""

    def end(self) -> None:
        """Makes whole what was written."""


SORTED, EXPLAINED = (
    ("sorted", "sorted_to"),
    ("heat_map",),
)  # fields of ResultRow that are written only where they were asked for


_JSON_ESCAPES = {
    code: f"\\u{code:04x}" for code in CONTROLS
}  # json escapes those below 32 itself, and they are none here
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four are their full-width forms


def format_for(name: str, write: Write, *, one: bool, extra: tuple[str, ...] = ()) -> Format:
    """The format of that name.

    Args:
      name: text, json, jsonl or csv.
      write: takes each piece of text; a piece is whole rows.
      one: a single photo was asked for, by its name.
      extra: further fields of ResultRow to write: SORTED, EXPLAINED.
    """
    if name == "json":
        return _Json(write, extra)
    if name == "jsonl":
        return _JsonLines(write, extra)
    if name == "csv":
        return _Csv(write, extra)
    return _OneText(write) if one else _Text(write)


def shortest(score: float) -> float | None:
    """A float32 score as the shortest decimal that reads back as the same float32; None for what is no number.

    >>> shortest(float(np.float32(0.1))), shortest(math.nan)
    (0.1, None)
    """
    return float(str(np.float32(score))) if math.isfinite(score) else None


class _Text:
    def __init__(self, write: Write) -> None:
        self._write = write

    def begin(self, labels: int) -> None:
        """Has no header."""

    def row(self, row: ResultRow) -> None:
        body = f"error: {clean(row.error)}\n" if row.error else _scores(row)
        self._write(f"{clean(row.image)}\n{body}\n")

    def end(self) -> None:
        """Has no end."""


class _OneText(_Text):
    """The original's form, byte for byte."""

    def row(self, row: ResultRow) -> None:
        if row.error:
            warn(f"label_image: cannot {row.undone} {row.image}: {row.error}")
        else:
            self._write(f"\nEvaluation time (1-image): {row.seconds:.3f}s\n\n{_scores(row)}")


class _JsonLines:
    def __init__(self, write: Write, extra: tuple[str, ...]) -> None:
        self._write, self._extra = write, extra

    def begin(self, labels: int) -> None:
        """Has no header."""

    def row(self, row: ResultRow) -> None:
        self._write(_object(row, self._extra) + "\n")

    def end(self) -> None:
        """Has no end."""


class _Json:
    def __init__(self, write: Write, extra: tuple[str, ...]) -> None:
        self._write, self._extra = write, extra
        self._before = "[\n"  # what comes before the next element

    def begin(self, labels: int) -> None:
        """Waits for the first row: an array that is cut short before it is still one."""

    def row(self, row: ResultRow) -> None:
        before, self._before = self._before, ","  # in front, so that a reader of lines has this row at once
        self._write(f"{before}{_object(row, self._extra)}\n")

    def end(self) -> None:
        self._write("[]\n" if self._before == "[\n" else "]\n")


class _Csv:
    def __init__(self, write: Write, extra: tuple[str, ...]) -> None:
        self._write, self._extra = write, extra
        self._labels = 1

    def begin(self, labels: int) -> None:
        self._labels = max(labels, 1)
        more = [f"{name}_{rank}" for rank in range(2, self._labels + 1) for name in ("label", "score")]
        self._cells(["image", "label", "score", "error", *more, *self._extra])

    def row(self, row: ResultRow) -> None:
        pairs = [(label, shortest(score)) for label, score in row.labels]
        pairs += [("", None)] * (self._labels - len(pairs))
        more = [cell for pair in pairs[1:] for cell in pair]
        tail = [getattr(row, name) for name in self._extra]
        self._cells([row.image, *pairs[0], row.error, *more, *tail])

    def end(self) -> None:
        """Has no end."""

    def _cells(self, cells: list[Any]) -> None:
        line = io.StringIO()
        # The writer quotes a CR only where CR ends its lines.
        csv.writer(line, lineterminator="\r\n").writerow(
            [_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        )
        self._write(line.getvalue().removesuffix("\r\n") + "\n")


def _scores(row: ResultRow) -> str:
    lines = [f"{clean(label)} (score={score:.5f})\n" for label, score in row.labels]
    if row.sorted:
        lines.append(f"{row.sorted}{':' if row.sorted.endswith('there') else ' to'} {clean(row.sorted_to)}\n")
    if row.heat_map:
        lines.append(f"heat map: {clean(row.heat_map)}\n")
    return "".join(lines)


def _object(row: ResultRow, extra: tuple[str, ...]) -> str:
    fields: dict[str, Any] = {
        "image": row.image,
        "labels": [{"label": label, "score": shortest(score)} for label, score in row.labels],
        "error": row.error or None,
    }
    fields |= {name: getattr(row, name) or None for name in extra}
    text = json.dumps(fields, ensure_ascii=False).translate(_JSON_ESCAPES)
    return text if _is_utf8(text) else json.dumps(fields)


def _cell(text: str) -> str:
    r"""Text as a cell of a table: one line, and no formula.

    >>> print(_cell("=1+1"), _cell("'=1"), _cell("a\nb"), _cell("rose"))
    '=1+1 ''=1 a\nb rose
    """
    line = clean(_shown(text))
    return f"'{line}" if line.lstrip("' ").startswith(_FORMULA) else line


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(text: str) -> str:
    r"""Text that is UTF-8 in any case: a byte of a name that is not becomes `\xff`."""
    if _is_utf8(text):
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a character of a Windows name
        return text.encode("utf-8", "backslashreplace").decode()
