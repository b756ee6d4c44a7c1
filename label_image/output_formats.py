"""Formats the answers: as text for people, as json and jsonl for programs, and as csv for tables.

text   for one photo the form of the original script; for many photos a block each: name, labels, empty line
json   one array with one element per line: {"image": ..., "labels": [{"label": ..., "score": ...}, ...], "error": null}
jsonl  the same objects, one per line, without the array
csv    image,label,score,error,label_2,score_2, ...: one row per photo, so that a table sorted by score is still a list
       of photos; the first four columns do not depend on --top_k. Quoted according to RFC 4180; lines end in LF, because
       `cut` and `awk` would keep a CR in the last column

With --sort_into there are two more fields: `sorted` (copied, moved, already there) and `sorted_to`; with --explain there is
`heat_map`, the path of the picture. In csv they are the last columns.
Scores have as many digits as are needed to read the float32 back exactly; NaN and infinity become null, in csv an empty cell.
All formats except text are UTF-8. In a name that is not UTF-8, json writes `\\udcff` for the byte ff (Python reads it back) and
csv writes `\\xff`.

Names and labels may contain any characters. json and jsonl preserve them exactly (control characters as JSON escapes). text
and csv show control characters as escapes (a line end as `\\n`), so that a photo is always one row. In csv a cell that a
spreadsheet would read as a formula, because it begins with = + - or @, is prefixed with an apostrophe, as OWASP recommends; a
cell that begins with apostrophes and then one of these characters gets one more apostrophe, so that a program that removes one
gets the original text. Scores are numbers and are not changed.
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
    """The answer for one photo."""

    image: str
    labels: tuple[tuple[str, float], ...] = ()  # (label, score), best first
    error: str = ""  # why there are no labels
    seconds: float = 0.0  # time of the network alone
    sorted: str = ""  # what --sort_into did: copied, moved, already there
    sorted_to: str = ""  # where the photo now is
    heat_map: str = ""  # where --explain put the picture
    undone: str = "read"  # the verb for what failed, if there is an error


class Format(Protocol):
    """Writes rows as text: call `begin` once, `row` for each row and `end` once, even if the run is interrupted."""

    def begin(self, labels: int) -> None:
        """Starts the output; a row has at most `labels` labels."""

    def row(self, row: ResultRow) -> None:
        """Writes one row."""

    def end(self) -> None:
        """Completes the output."""


SORTED, EXPLAINED = (
    ("sorted", "sorted_to"),
    ("heat_map",),
)  # fields of ResultRow that are written only on request


_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in CONTROLS}  # json itself escapes those below 32
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four are full-width forms


def format_for(name: str, write: Write, *, one: bool, extra: tuple[str, ...] = ()) -> Format:
    """Makes the format of that name.

    Args:
      name: text, json, jsonl or csv.
      write: receives the text in pieces of whole rows.
      one: whether a single photo was requested by its name.
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
    """Rounds a float32 score to the shortest decimal that reads back as the same float32; None for NaN and infinity.

    >>> shortest(float(np.float32(0.1))), shortest(math.nan)
    (0.1, None)
    """
    return float(str(np.float32(score))) if math.isfinite(score) else None


class _Text:
    def __init__(self, write: Write) -> None:
        self._write = write

    def begin(self, labels: int) -> None:
        """Writes nothing: this format has no header."""

    def row(self, row: ResultRow) -> None:
        body = f"error: {clean(row.error)}\n" if row.error else _scores(row)
        self._write(f"{clean(row.image)}\n{body}\n")

    def end(self) -> None:
        """Writes nothing: this format has no end."""


class _OneText(_Text):
    """Writes one photo exactly as the original script does."""

    def row(self, row: ResultRow) -> None:
        if row.error:
            warn(f"label_image: cannot {row.undone} {row.image}: {row.error}")
        else:
            self._write(f"\nEvaluation time (1-image): {row.seconds:.3f}s\n\n{_scores(row)}")


class _JsonLines:
    def __init__(self, write: Write, extra: tuple[str, ...]) -> None:
        self._write, self._extra = write, extra

    def begin(self, labels: int) -> None:
        """Writes nothing: this format has no header."""

    def row(self, row: ResultRow) -> None:
        self._write(_object(row, self._extra) + "\n")

    def end(self) -> None:
        """Writes nothing: this format has no end."""


class _Json:
    def __init__(self, write: Write, extra: tuple[str, ...]) -> None:
        self._write, self._extra = write, extra
        self._before = "[\n"  # text before the next element

    def begin(self, labels: int) -> None:
        """Writes nothing yet: the bracket is written with the first row or at the end, so that the array is always valid."""

    def row(self, row: ResultRow) -> None:
        before, self._before = (
            self._before,
            ",",
        )  # the comma comes first, so that a reader of lines gets each row at once
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
        """Writes nothing: this format has no end."""

    def _cells(self, cells: list[Any]) -> None:
        line = io.StringIO()
        # csv.writer quotes a CR only if CR is part of its line end.
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
    r"""Formats text as a cell of a table: on one line, and never as a formula.

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
    r"""Makes text that is valid UTF-8: an invalid byte of a name becomes an escape such as `\xff`."""
    if _is_utf8(text):
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a character of a Windows name
        return text.encode("utf-8", "backslashreplace").decode()
