"""Opens a CSV of paths and labels and finds the photos that it names, to be copied unchanged, each into its list."""

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
from retrain.convert.table import CsvTable, read_table, said_of
from retrain.data.directory_listing import is_picture

__all__ = ["Asked", "read"]
_SHOWN = 5  # lines that are named
_LOOKED = 50  # rows of which one names a file as it stands, or the whole folder is looked through


@dataclass
class _Found:
    """What the rows give, and what is not used of them."""

    pictures: dict[tuple[Path, str], Picture] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)  # "line 3 (a.jpg)": no such file
    unclear: list[str] = field(default_factory=list)  # several files
    unlabelled: list[str] = field(default_factory=list)  # for validation or testing
    several: list[str] = field(default_factory=list)  # of several labels, left out
    outside: list[str] = field(default_factory=list)  # paths that lead out of the root
    foreign: list[str] = field(default_factory=list)  # the same, to what is not named as a picture
    crossing: list[str] = field(default_factory=list)  # named for two lists
    again: int = 0

    def outsider(self, at: str, path: Path) -> bool:
        """Notes a file outside the root; whether it is taken: /etc/passwd is no photo."""
        if not is_picture(path.name):
            self.foreign.append(at)
            return False
        if ".." in path.parts:
            self.outside.append(at)
        return True


def read(
    src: Path, root: str, asked: Asked | None = None, split_values: str = "", several_labels: str = SEVERAL[0]
) -> Source:
    """Opens a CSV and looks for each photo that it names.

    Args:
      src: the CSV.
      root: where relative paths begin; "" is the CSV's own folder.
      asked: the columns that the user named.
      split_values: what cells of the split column mean, as "0=train,1=test".
      several_labels: one of SEVERAL: what becomes of a cell of several labels.

    Returns:
      one picture a row whose file is there; the others are said. A photo for the test is for nothing else.

    Raises:
      UserError: it is a folder, there is no such root or column.
      RunError: it is no CSV of paths and labels, or none of its files is there.
    """
    if src.is_dir():
        raise UserError(f"{src} is a folder; give the CSV itself")
    if src.is_char_device() or src.is_block_device():  # /dev/zero never ends; a pipe may be meant
        raise UserError(f"{src} is a device; give the CSV itself")
    if root and not Path(root).is_dir():
        raise UserError(f"cannot read --root={root}: no such folder")
    values = values_of(split_values)
    finder = Finder(Path(root) if root else src.parent)
    table = read_table(src, asked or Asked(), finder.at_once)
    if not any(finder.at_once(row.words[table.path]) for row in table.rows[:_LOOKED] if len(row.words) > table.path):
        table = read_table(src, asked or Asked(), finder.anyhow)
    lists, notes = lists_of(table, values)
    separator, more = _several(src, table, several_labels)
    found = _Found()
    for row, which in zip(table.rows, lists, strict=True):
        _add(found, src, table, row, which, (finder, separator, several_labels))
    if not found.pictures:
        raise RunError(f"none of the photos of {src} is there: {_why(found, finder.folder)}")
    pictures, crossing = _once(list(found.pictures.values()), found.crossing)
    present = {picture.which for picture in pictures}
    if present and present <= {"test", "validation"}:
        raise RunError(
            f"nothing to train on: every row of {src} is for {' or '.join(sorted(present))} ({table.name(table.splits[0])!r}); add rows for "
            "training, or leave the column out: --split_column=none"
        )
    notes = [*notes, *more, *_notes(found, finder), *crossing, *_test_only(pictures)]
    said = [
        *said_of(table if any(lists) else dataclasses.replace(table, splits=())),
        *(f"photos found under {finder.folder} {how}: {count}" for how, count in finder.ways.items()),
    ]
    return Source(len(pictures), tuple(x for x in LISTS if x in present), pictures, notes, said)


def _several(src: Path, table: CsvTable, wanted: str) -> tuple[str, list[str]]:
    """What cells are parted at, and a line on it; "" leaves them whole.

    Raises:
      RunError: cells hold several labels, and the user has not said what shall become of them.
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
            f"{rows} of {len(table.rows)} rows of {src} have several labels in {table.name(table.label)!r} ({shown}), and a photo can be of one "
            "class only; --several_labels=first takes the first of them, leave_out leaves such photos out, whole makes each "
            "combination a class"
        )
    return "", [
        f"{len(parted)} labels of several words are taken for a class each: {shown} (--several_labels=first would take the first word)"
    ]


def _add(found: _Found, src: Path, table: CsvTable, row: Row, which: str, tools: tuple[Finder, str, str]) -> None:
    """Takes one row."""
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
    if _lies_outside(name, path, finder.folder) and not found.outsider(at, path):
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


def _once(pictures: Sequence[Picture], crossing: Sequence[str]) -> tuple[list[Picture], list[str]]:
    """Each photo in one list: what is for the test is not trained on.

    Args:
      pictures: those that were found.
      crossing: lines that are known to name a photo of another list.

    Returns:
      (the pictures that stay, a line on photos of two lists, one on photos of several labels).
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
        notes.append(f"photos that rows put into two lists, kept in test or validation only: {_few(twice)}")
    if labelled:
        notes.append(f"photos that rows give several labels, copied into the folder of each: {_few(labelled)}")
    return sorted(kept, key=lambda picture: order[id(picture)]), notes


def _why(found: _Found, folder: Path) -> str:
    if found.unclear:
        return f"{found.unclear[0]} names several files under {folder}; --root says where paths begin"
    if found.lost:
        return f"{found.lost[0]} names no file in {folder}; --root says where paths begin"
    if found.unlabelled or found.several:
        return f"no row has one label ({len(found.unlabelled)} have none, {len(found.several)} several)"
    return "it has no rows"


def _notes(found: _Found, finder: Finder) -> list[str]:
    """What was found otherwise than written, and what was not used."""
    notes = []
    all_rows = len(found.lost) + len(found.unclear) + len(found.pictures) + found.again
    if found.lost:
        notes.append(
            f"not found, and left out: {len(found.lost)} of {all_rows} rows: {_few(found.lost, counted=False)}"
        )
    for lines, text in (
        (found.unclear, "which name several files, and are left out"),
        (found.unlabelled, "for the test or validation without a label, left out"),
        (found.several, "with several labels, left out"),
        (found.outside, f"whose paths lead out of {finder.folder}, copied all the same"),
        (found.foreign, f"whose paths lead out of {finder.folder} to files that are no pictures, left out"),
    ):
        if lines:
            notes.append(f"rows {text}: {_few(lines)}")
    if found.again:
        notes.append(f"rows that say the same as an earlier one, whose photos are copied once: {found.again}")
    return notes


def _test_only(pictures: Sequence[Picture]) -> list[str]:
    """A line on classes that have photos in other lists and none to train on."""
    trained = {picture.label for picture in pictures if picture.which in ("train", "")}
    missing = sorted({picture.label for picture in pictures} - trained)
    return [f"classes with no photo for training: {', '.join(missing[:_SHOWN])}"] if missing else []


def _few(lines: Sequence[str], *, counted: bool = True) -> str:
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return (f"{len(lines)}: " if counted else "") + ", ".join(lines[:_SHOWN]) + more
