"""Reads a CSV of paths and labels, and finds the photos that it names, to copy each unchanged into its subset."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from label_image.errors import RunError, UserError
from retrain.convert.cells import LISTS, SEVERAL, labels_in, lists_of, separator_in, values_of
from retrain.convert.columns import Asked, Row
from retrain.convert.finder import Finder
from retrain.convert.source import Picture, Source
from retrain.convert.table import CsvTable, describe_columns, read_table
from retrain.data.directory_listing import is_picture

__all__ = ["Asked", "read"]
_SHOWN = 5  # lines listed in a message
_LOOKED = 50  # if none of this many rows contains an exact path, the whole folder is searched


@dataclass
class _Found:
    """The photos that the rows name, and the rows that cannot be used."""

    pictures: dict[tuple[Path, str], Picture] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)  # rows whose file does not exist, as "line 3 (a.jpg)"
    unclear: list[str] = field(default_factory=list)  # rows that match several files
    unlabelled: list[str] = field(default_factory=list)  # rows for validation or testing without a label
    several: list[str] = field(default_factory=list)  # rows with several labels, left out
    outside: list[str] = field(default_factory=list)  # rows with a path outside the root
    foreign: list[str] = field(default_factory=list)  # the same, if the file has no picture's suffix
    crossing: list[str] = field(default_factory=list)  # rows whose photo is in two subsets
    again: int = 0

    def allows_outside(self, at: str, path: Path) -> bool:
        """Records a file outside the root; returns whether to use it, which needs a picture's suffix."""
        if not is_picture(path.name):
            self.foreign.append(at)
            return False
        if ".." in path.parts:
            self.outside.append(at)
        return True


def read(
    src: Path, root: str, asked: Asked | None = None, split_values: str = "", several_labels: str = SEVERAL[0]
) -> Source:
    """Opens a CSV and searches for each photo that it names.

    Args:
      src: the CSV.
      root: the folder to which paths are relative; "" is the folder of the CSV.
      asked: the columns that the user named.
      split_values: the meaning of the cells in the split column, as "0=train,1=test".
      several_labels: one of SEVERAL: the treatment of a cell with several labels.

    Returns:
      one picture for each row whose file exists; notes on the other rows. A test photo is in no other subset.

    Raises:
      UserError: `src` is a folder; the root or a column does not exist.
      RunError: `src` is not a CSV of paths and labels, or none of its files exists.
    """
    if src.is_dir():
        raise UserError(f"{src} is a folder; give the CSV itself")
    if src.is_char_device() or src.is_block_device():  # /dev/zero never ends; a pipe, however, is allowed
        raise UserError(f"{src} is a device; give the CSV itself")
    if root and not Path(root).is_dir():
        raise UserError(f"cannot read --root={root}: no such folder")
    values = values_of(split_values)
    finder = Finder(Path(root) if root else src.parent)
    table = read_table(src, asked or Asked(), finder.at_once)
    if not any(finder.at_once(row.words[table.path]) for row in table.rows[:_LOOKED] if len(row.words) > table.path):
        table = read_table(src, asked or Asked(), finder.anyhow)
    lists, notes = lists_of(table, values)
    separator, more = _label_separator(src, table, several_labels)
    found = _Found()
    for row, which in zip(table.rows, lists, strict=True):
        _add(found, src, table, row, which, (finder, separator, several_labels))
    if not found.pictures:
        raise RunError(f"none of the photos in {src} exists: {_reason_for_none(found, finder.folder)}")
    pictures, crossing = _without_overlap(list(found.pictures.values()), found.crossing)
    present = {picture.which for picture in pictures}
    if present and present <= {"test", "validation"}:
        raise RunError(
            f"there are no training photos: every row of {src} is for {' or '.join(sorted(present))} ({table.name(table.splits[0])!r}); add rows for "
            "training, or ignore the column: --split_column=none"
        )
    notes = [*notes, *more, *_notes(found, finder), *crossing, *_test_only(pictures)]
    interpretation = [
        *describe_columns(table if any(lists) else dataclasses.replace(table, splits=())),
        *(f"photos found under {finder.folder} {how}: {count}" for how, count in finder.ways.items()),
    ]
    return Source(len(pictures), tuple(x for x in LISTS if x in present), pictures, notes, interpretation)


def _label_separator(src: Path, table: CsvTable, wanted: str) -> tuple[str, list[str]]:
    """Returns the separator at which cells are split, and notes on it; "" if cells are kept whole.

    Raises:
      RunError: cells contain several labels, and the user has not set --several_labels.
    """
    separator, certain = separator_in(table)
    if not separator or wanted == "whole":
        return "", []
    cells = Counter(row.words[table.label] for row in table.rows if len(row.words) > table.label)
    parted = [cell for cell, _ in cells.most_common() if separator in cell]
    rows = sum(cells[cell] for cell in parted)
    shown = ", ".join(repr(cell) for cell in parted[:_SHOWN])
    if wanted != "refuse":
        return separator, []
    if certain:
        raise RunError(
            f"{rows} of {len(table.rows)} rows of {src} have several labels in {table.name(table.label)!r} ({shown}), but a photo can have only "
            "one; use --several_labels=first to take the first label, leave_out to leave out such photos, or whole to make each "
            "combination a class"
        )
    return "", [
        f"{len(parted)} labels of several words are read as one class each: {shown} (--several_labels=first would use the first word)"
    ]


def _add(found: _Found, src: Path, table: CsvTable, row: Row, which: str, tools: tuple[Finder, str, str]) -> None:
    """Adds the photo of one row to `found`, or records why it cannot be used."""
    finder, separator, several = tools
    name, label = (row.words[column] if column < len(row.words) else "" for column in (table.path, table.label))
    at = f"line {row.line} ({name})"
    if not label and which in ("test", "validation"):
        found.unlabelled.append(at)
        return
    if not label or len(row.words) <= max(table.path, table.label):
        raise RunError(
            f"cannot read {src}: line {row.line} has no label: {','.join(row.words).rstrip(',')!r}; expected path,label"
        )
    labels = labels_in(label, separator) if separator else [label]
    if len(labels) > 1 and several == "leave_out":
        found.several.append(at)
        return
    paths = finder.take(name)
    if len(paths) != 1:
        (found.unclear if paths else found.lost).append(at)
        return
    label, path = labels[0] if labels else label, paths[0]
    if _lies_outside(name, path, finder.folder) and not found.allows_outside(at, path):
        return
    key = path, label
    known = found.pictures.get(key)
    if known and known.which == which:
        found.again += 1
        return
    if known:
        found.crossing.append(at)
    if not known or _rank(which) > _rank(known.which):
        found.pictures[key] = Picture(label, path.name, path, which, f"line {row.line} of {src}")


def _lies_outside(name: str, path: Path, folder: Path) -> bool:
    """Whether a row names a file outside the folder of the table's photos."""
    return (Path(name).is_absolute() or ".." in path.parts) and not path.resolve().is_relative_to(folder.resolve())


def _rank(which: str) -> int:
    return LISTS.index(which) if which else 0


def _without_overlap(pictures: Sequence[Picture], crossing: Sequence[str]) -> tuple[list[Picture], list[str]]:
    """Keeps each photo in one subset, so that no test photo is used for training.

    Args:
      pictures: the pictures that were found.
      crossing: rows that are known to name a photo of another subset.

    Returns:
      (the pictures to keep; notes on photos in two subsets and on photos with several labels).
    """
    places: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        places[os.path.realpath(str(picture.data))].append(picture)
    kept, twice, labelled = [], list(crossing), []
    for same in places.values():
        top = max(_rank(picture.which) for picture in same)
        kept += [picture for picture in same if _rank(picture.which) == top]
        twice += [same[0].where] if len({picture.which for picture in same}) > 1 else []
        labelled += [same[0].where] if len({picture.label for picture in same}) > 1 else []
    order = {id(picture): place for place, picture in enumerate(pictures)}
    notes = []
    if twice:
        notes.append(
            f"photos that are in two subsets by different rows, kept in test or validation only: {_few(twice)}"
        )
    if labelled:
        notes.append(
            f"photos that have several labels by different rows, copied into the folder of each label: {_few(labelled)}"
        )
    return sorted(kept, key=lambda picture: order[id(picture)]), notes


def _reason_for_none(found: _Found, folder: Path) -> str:
    if found.unclear:
        return f"{found.unclear[0]} names several files under {folder}; give the folder of the paths with --root"
    if found.lost:
        return f"{found.lost[0]} names no file in {folder}; give the folder of the paths with --root"
    if found.unlabelled or found.several:
        return f"no row has one label ({len(found.unlabelled)} have none, {len(found.several)} several)"
    return "it has no rows"


def _notes(found: _Found, finder: Finder) -> list[str]:
    """Returns notes on photos that were not found under their exact path, and on rows that were not used."""
    notes = []
    all_rows = len(found.lost) + len(found.unclear) + len(found.pictures) + found.again
    if found.lost:
        notes.append(f"not found and left out: {len(found.lost)} of {all_rows} rows: {_few(found.lost, counted=False)}")
    for lines, text in (
        (found.unclear, "that match several files, left out"),
        (found.unlabelled, "for test or validation without a label, left out"),
        (found.several, "with several labels, left out"),
        (found.outside, f"with paths outside {finder.folder}, copied nevertheless"),
        (found.foreign, f"with paths outside {finder.folder} to files that are not pictures, left out"),
    ):
        if lines:
            notes.append(f"rows {text}: {_few(lines)}")
    if found.again:
        notes.append(f"rows that repeat an earlier one, whose photos are copied once: {found.again}")
    return notes


def _test_only(pictures: Sequence[Picture]) -> list[str]:
    """Returns a note on classes that have photos in other subsets but none for training."""
    trained = {picture.label for picture in pictures if picture.which in ("train", "")}
    missing = sorted({picture.label for picture in pictures} - trained)
    return [f"classes with no photo for training: {', '.join(missing[:_SHOWN])}"] if missing else []


def _few(lines: Sequence[str], *, counted: bool = True) -> str:
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return (f"{len(lines)}: " if counted else "") + ", ".join(lines[:_SHOWN]) + more
