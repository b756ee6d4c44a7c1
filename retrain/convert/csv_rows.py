"""A CSV of path and label in, the photos that it names out, copied unchanged.

The columns are the first two, or those that a header names; commas, semicolons or tabs stand between them. UTF-8.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_image.errors import RunError, UserError
from retrain.convert.source import Picture, Source

_PATHS = {"path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "photo", "picture"}
_LABELS = {"label", "labels", "class", "class_name", "category", "target"}
_SEPARATORS = (",", ";", "\t")
_SHOWN = 5  # lines that are named


@dataclass(frozen=True)
class _Row:
    line: int  # where it ends in the file, counted from 1
    path: str
    label: str


def read(src: Path, root: str) -> Source:
    """Opens a CSV and looks for each photo that it names.

    Args:
      src: the CSV.
      root: where relative paths begin; "" is the CSV's own folder.

    Returns:
      one picture a row whose file is there; the others are said.

    Raises:
      UserError: it is a folder, or there is no such root.
      RunError: it is no CSV of paths and labels, or none of its files is there.
    """
    if src.is_dir():
        raise UserError(f"{src} is a folder; give the CSV itself")
    if root and not Path(root).is_dir():
        raise UserError(f"cannot read --root={root}: no such folder")
    folder = Path(root) if root else src.parent
    pictures: dict[tuple[Path, str], Picture] = {}
    lost, again = [], 0
    for row in _rows(src):
        path = _found(folder, row.path)
        if path is None:
            lost.append(f"line {row.line} ({row.path})")
        elif (path, row.label) in pictures:
            again += 1
        else:
            pictures[path, row.label] = Picture(row.label, path.name, path, where=f"line {row.line} of {src}")
    if not pictures:
        why = f"{lost[0]} names no file in {folder}; --root says where paths begin" if lost else "it has no rows"
        raise RunError(f"none of the photos of {src} is there: {why}")
    notes = []
    if lost:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        notes.append(
            f"not found, and left out: {len(lost)} of {len(lost) + len(pictures) + again} rows: {', '.join(lost[:_SHOWN])}{more}"
        )
    if again:
        notes.append(f"rows that say the same as an earlier one, whose photos are copied once: {again}")
    return Source(len(pictures), (), pictures.values(), notes)


def _found(folder: Path, name: str) -> Path | None:
    """The file of that name; one written on Windows may have backslashes."""
    for text in dict.fromkeys((name, name.replace("\\", "/"))):
        try:
            if name and (folder / text).is_file():
                return folder / text
        except (OSError, ValueError):  # too long, or with a NUL in it
            continue
    return None


def _rows(src: Path) -> Iterator[_Row]:
    try:
        with src.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            separator = next((one for one in _SEPARATORS if one in first), ",")
            yield from _read(src, csv.reader(file, delimiter=separator, strict=True))
    except UnicodeDecodeError as error:
        raise RunError(f"cannot read {src}: it is not UTF-8 ({error.reason}); save it so") from None


def _read(src: Path, rows: Any) -> Iterator[_Row]:
    columns: tuple[int, int] | None = None
    try:
        for row in rows:
            words = [word.strip() for word in row]
            if not any(words):
                continue
            if columns is None:
                columns = _header(words)
                if columns:
                    continue
                columns = (0, 1)
                if len(words) > 2:
                    raise RunError(
                        f"cannot read {src}: line {rows.line_num} has {len(words)} columns, and no header names two of them path and label"
                    )
            if len(words) <= max(columns) or not words[columns[1]]:
                raise RunError(
                    f"cannot read {src}: line {rows.line_num} has no label: {','.join(row)!r}; expected path,label"
                )
            yield _Row(rows.line_num, words[columns[0]], words[columns[1]])
    except csv.Error as error:
        raise RunError(f"cannot read {src}: line {rows.line_num} is no CSV ({error})") from None


def _header(words: list[str]) -> tuple[int, int] | None:
    """Where path and label stand, if this is a header."""
    names = [word.lower().replace(" ", "_") for word in words]
    path = next((number for number, name in enumerate(names) if name in _PATHS), None)
    label = next((number for number, name in enumerate(names) if name in _LABELS), None)
    return None if path is None or label is None else (path, label)
