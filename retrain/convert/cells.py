"""Interprets the cells of a table: which subset a row belongs to, and whether a cell contains several labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from label_image.errors import RunError, UserError
from retrain.convert.columns import Row, plain
from retrain.convert.table import CsvTable
from retrain.data.subset_names import subset_of_name

LISTS = ("train", "validation", "test")  # subfolders of the folder that is written
SEVERAL = ("refuse", "first", "leave_out", "whole")  # the values of --several_labels
_YES, _NO = {"1", "true", "yes", "y", "t", "1.0"}, {"0", "false", "no", "n", "f", "0.0"}
_MOST_LISTS = (
    3  # at most this many values can be other words for the subsets; a column with more of them means something else
)
_SURE = {"split", "subset", "partition", "data_split", "dataset_split", "split_name", "image_set", "train_test"}
_FOLDS = {"fold", "folds", "kfold", "k_fold", "cv_fold"}
_MANY = {"tags", "attributes", "keywords"}  # columns that usually have several labels in a cell
_SHOWN = 5


def values_of(text: str) -> dict[str, str]:
    """Parses --split_values into a dictionary: a cell's text -> a subset.

    >>> values_of("0=train, 2=test")
    {'0': 'train', '2': 'test'}

    Raises:
      UserError: the text has another form.
    """
    found = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        value, equals, name = (part.strip() for part in word.partition("="))
        which = subset_of_name(name)
        if not equals or which is None:
            raise UserError(f"--split_values={text}: {word!r} is not VALUE=train, VALUE=validation or VALUE=test")
        found[value.casefold()] = LISTS[which]
    return found


def lists_of(table: CsvTable, values: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Determines the subset of each row; "" for all rows if the table does not contain subsets.

    Args:
      table: the table.
      values: the parsed --split_values.

    Returns:
      (the subset of each row, notes for the user).

    Raises:
      RunError: a cell names no subset, so that test photos could be used for training.
    """
    if not table.splits:
        return [""] * len(table.rows), []
    names = [plain(table.name(column)) for column in table.splits]
    cells = [[_cell(row, column) for column in table.splits] for row in table.rows]
    if len(names) == 1 and names[0] in _FOLDS and not values and all(_is_whole(one) for (one,) in cells):
        note = "contains fold numbers, which name no subset, and is not read; to test on one fold"
        return [""] * len(table.rows), [f"{table.name(table.splits[0])!r} {note}: --split_values={cells[0][0]}=test"]
    given = [_subset_of_row(names, one, values) for one in cells]
    unknown = Counter(one[0] for one, which in zip(cells, given, strict=True) if which is None)
    if not table.asked and len(unknown) > _MOST_LISTS and not _SURE & set(names) and not any(given):
        note = f"{table.name(table.splits[0])!r} names no subsets ({', '.join(map(repr, list(unknown)[:_SHOWN]))}), and is not read"
        return [""] * len(table.rows), [note]
    if unknown:
        held = ", ".join(f"{value!r} ({count} row{'s' * (count > 1)})" for value, count in unknown.most_common(_SHOWN))
        first = next(row.line for row, which in zip(table.rows, given, strict=True) if which is None)
        raise RunError(
            f"cannot tell which subset a row belongs to: {' and '.join(repr(table.name(x)) for x in table.splits)} contains {held}, first in line "
            f"{first}; give the meaning, as in --split_values={next(iter(unknown))}=test, or ignore the column: --split_column=none"
        )
    empty = sum(not any(one) for one in cells)
    return [which or "" for which in given], (
        [f"rows in which {table.name(table.splits[0])!r} is empty, used for training: {empty}"] if empty else []
    )


def separator_in(table: CsvTable) -> tuple[str, bool]:
    """Returns the separator of several labels in one cell, and whether it is certain; ("", False) if there is none."""
    cells = {_cell(row, table.label) for row in table.rows} - {""}
    many = bool(table.header) and plain(table.name(table.label)) in _MANY
    plural = bool(table.header) and plain(table.name(table.label)) in ("labels", "classes", "categories")
    for separator in ("|", ";", ",", " "):
        parted = [cell for cell in cells if separator in cell.strip("[]()'\" ")]
        if not parted:
            continue
        counts = Counter(part for cell in cells for part in set(labels_in(cell, separator)))
        shared = sum(count > 1 for count in counts.values())
        alone = any(counts[cell] > 1 for cell in cells if cell not in parted)
        overlaps = 2 * shared >= len(counts)
        certain = many or separator in "|;" or (overlaps and (separator == "," or alone or plural))
        return separator, certain
    return "", False


def labels_in(cell: str, separator: str) -> list[str]:
    """Splits a cell into its labels.

    >>> labels_in("['cat', 'dog']", ",")
    ['cat', 'dog']
    """
    parts = [part.strip(" '\"") for part in cell.strip("[]() ").split(separator)] if separator else [cell]
    return [part for part in parts if part]


def _cell(row: Row, column: int) -> str:
    return row.words[column] if column < len(row.words) else ""


def _subset_of_row(names: Sequence[str], cells: Sequence[str], values: Mapping[str, str]) -> str | None:
    """Returns the subset that a row's cells name; test comes first, so that test photos are never used for training."""
    found = {_subset_of_cell(name, cell, values) for name, cell in zip(names, cells, strict=True)}
    if None in found:
        return None
    return next(which for which in ("test", "validation", "train") if which in found)


def _subset_of_cell(name: str, cell: str, values: Mapping[str, str]) -> str | None:
    word = cell.casefold()
    if values:
        known = subset_of_name(cell)
        return values.get(word) or (LISTS[known] if known is not None else "train")
    if not word:
        return "train"
    named = subset_of_name(name.removeprefix("is_").removesuffix("_image"))
    if named is not None and word in _YES | _NO:
        if word in _YES:
            return LISTS[named]
        return "test" if LISTS[named] == "train" else "train"
    which = subset_of_name(cell)
    if which is None:  # "PublicTest", "train_clean"
        lists = {subset_of_name(part) for part in re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])", cell)} - {None}
        which = lists.pop() if len(lists) == 1 else None
    return None if which is None else LISTS[which]


def _is_whole(cell: str) -> bool:
    return cell.lstrip("-").removesuffix(".0").isdigit()
