"""Determines the columns of a table for path, label and subset: from flags, known names, or the contents."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import RunError, UserError
from label_image.spelling import is_number

NONE = "none"  # the value of --split_column for "no column"
_LOOKED = 50  # number of rows that are examined
# In order of preference. These names are used by Kaggle, Hugging Face, fastai and well-known data sets of the literature.
PATHS = [
    "path",
    "filepath",
    "file_path",
    "image_path",
    "img_path",
    "imagepath",
    "imgpath",
    "photo_path",
    "picture_path",
    "filename",
    "file_name",
    "file",
    "image_file",
    "image_filename",
    "image_name",
    "img_name",
    "imagename",
    "photo",
    "picture",
    "fname",
    "image",
    "img",
    "image_id",
    "img_id",
    "imageid",
    "photo_id",
    "picture_id",
    "id",
    "uid",
    "uuid",
    "key",
    "name",
]
LABELS = [
    "label",
    "class_name",
    "classname",
    "class",
    "label_name",
    "labelname",
    "category",
    "category_name",
    "breed",
    "species",
    "variety",
    "tags",
    "tag",
    "labels",
    "classes",
    "categories",
    "target",
    "diagnosis",
    "dx",
    "disease",
    "emotion",
    "cultivar",
    "animal",
    "plant",
    "flower",
    "genus",
    "kind",
    "type",
    "ground_truth",
    "gt",
    "truth",
    "answer",
    "y",
    "class_label",
    "class_id",
    "label_id",
    "category_id",
    "labelid",
    "classid",
    "target_id",
]
_SPLITS = [
    "split",
    "set",
    "subset",
    "partition",
    "dataset",
    "data_set",
    "data_split",
    "dataset_split",
    "split_name",
    "image_set",
    "usage",
    "phase",
    "mode",
    "train_test",
    "fold",
    "folds",
    "kfold",
    "k_fold",
    "cv_fold",
    "is_test",
    "is_valid",
    "is_val",
    "is_validation",
    "is_train",
    "is_training",
    "is_training_image",
    "test",
    "valid",
    "validation",
]


@dataclass(frozen=True)
class Row:
    """One row of the file."""

    line: int  # the line on which it ends, counted from 1
    words: tuple[str, ...]  # one for each column, without surrounding spaces


@dataclass(frozen=True)
class Asked:
    """The columns that the user named: names from the header, or numbers from 1; "" if not given."""

    path: str = ""
    label: str = ""
    split: str = ""


def plain(name: str) -> str:
    """Normalises a column's name to the form that the tables above use.

    >>> plain(" File-Name "), plain("Is Test")
    ('file_name', 'is_test')
    """
    return re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_")


def has_header(rows: Sequence[Row], asked: Asked, is_photo: Callable[[str], bool]) -> bool:
    """Whether the first row contains the names of the columns."""
    words = rows[0].words
    names = [plain(word) for word in words]
    wanted = [name for name in (asked.path, asked.label, asked.split) if name and name != NONE and not name.isdigit()]
    if any(plain(name) in names for name in wanted):
        return True
    known = bool(set(names) & set(PATHS)) + bool(set(names) & set(LABELS))
    if known == 2 or (known and any(asked.__dict__.values())):
        return True
    if wanted or any(is_photo(word) for word in words):
        return bool(wanted)
    # If the first row names no photo and later rows do, it must contain column names that are not in the tables above.
    below = rows[1 : _LOOKED + 1]
    return known == 1 or any(is_photo(word) for row in below for word in row.words)


def asked_column(src: Path, flag: str, name: str, header: Sequence[str], rows: Sequence[Row]) -> int | None:
    """Returns the column that a flag names, or None if the flag names none."""
    if not name:
        return None
    names = [plain(one) for one in header]
    if plain(name) in names:
        return names.index(plain(name))
    width = max((len(row.words) for row in rows), default=0)
    if name.isdigit() and 1 <= int(name) <= max(width, len(header)):
        return int(name) - 1
    raise UserError(f"no column for --{flag}={name} in {src}; {_columns(header, rows)}")


def _columns(header: Sequence[str], rows: Sequence[Row]) -> str:
    if header:
        return f"its columns are {', '.join(repr(name) for name in header)}"
    width = len(rows[0].words) if rows else 0
    return f"it has no header, but {width} columns: give a number from 1 to {width}"


def known_columns(
    src: Path,
    header: Sequence[str],
    rows: Sequence[Row],
    body: Sequence[Row],
    path: int | None,
    label: int | None,
    is_photo: Callable[[str], bool],
) -> tuple[int, int]:
    """Determines the columns of path and label if the user has not named both."""
    width = len(rows[0].words)
    names = [plain(name) for name in header]
    if path is None:
        path = _best_path(names, body, label, is_photo)
    if label is None:
        label = _best_label(names, body, path)
    if width == 2:
        path = path if path is not None else _where_photos_are(body, is_photo) if label is None else 1 - label
        label = label if label is not None else 1 - path
    if path is not None and label is not None:
        return path, label
    if not header:
        raise RunError(
            f"cannot read {src}: line {rows[0].line} has {width} columns, and no header that names path and label: "
            f"{', '.join(rows[0].words)}; give them by number, as in --path_column=1 --label_column=2"
        )
    if path is not None and (classes := _one_hot(header, body, path)):
        raise RunError(
            f"cannot tell the label column of {src}: each class has a column, with 1 in the row's class ({', '.join(classes[:5])}{', ...' * (len(classes) > 5)}); "
            "write the names of these columns into one column, and give it: --label_column"
        )
    missing = [f"--{flag}" for flag, column in (("path_column", path), ("label_column", label)) if column is None]
    raise RunError(
        f"cannot tell which columns of {src} are path and label: {_columns(header, body)}; name them: {' and '.join(missing)}"
    )


def _one_hot(header: Sequence[str], body: Sequence[Row], path: int) -> list[str]:
    """Returns the class columns of a one-hot table, in which each row has a 1 in one of them; [] for any other table."""
    looked = body[:_LOOKED]
    columns = [
        column
        for column in range(len(header))
        if column != path and all(_number(row.words[column : column + 1]) in (0, 1) for row in looked)
    ]
    one_each = all(sum(_number(row.words[column : column + 1]) for column in columns) == 1 for row in looked)
    return [header[column] for column in columns] if len(columns) > 1 and looked and one_each else []


def _number(words: Sequence[str]) -> float:
    return float(words[0]) if words and is_number(words[0]) else -1.0


def _best_path(
    names: Sequence[str], body: Sequence[Row], label: int | None, is_photo: Callable[[str], bool]
) -> int | None:
    """Returns the column with a known name in which most cells name photos."""
    columns = [names.index(name) for name in PATHS if name in names and names.index(name) != label]
    found = {
        column: sum(len(row.words) > column and is_photo(row.words[column]) for row in body[:_LOOKED])
        for column in columns
    }
    return max(columns, key=lambda column: (found[column], -columns.index(column)), default=None)


def _best_label(names: Sequence[str], body: Sequence[Row], path: int | None) -> int | None:
    """Returns the column with a known name; a column of words is preferred to one of numbers."""
    columns = [names.index(name) for name in LABELS if name in names and names.index(name) != path]

    def of_words(column: int) -> bool:
        return any(len(row.words) > column and not is_number(row.words[column]) for row in body[:_LOOKED])

    return max(columns, key=lambda column: (of_words(column), -columns.index(column)), default=None)


def _where_photos_are(body: Sequence[Row], is_photo: Callable[[str], bool]) -> int:
    """Returns 0 or 1: the one of two columns that names photos."""
    found = [
        sum(len(row.words) > column and is_photo(row.words[column]) for row in body[:_LOOKED]) for column in (0, 1)
    ]
    return int(found[1] > found[0])


def split_columns(src: Path, asked: str, header: Sequence[str], body: Sequence[Row]) -> tuple[int, ...]:
    """Returns the columns for the subset: the one the user named, or one with a known name, or all that begin with "is_".

    Raises:
      UserError: there is no column with the name that the user gave.
    """
    if asked == NONE:
        return ()
    column = asked_column(src, "split_column", asked, header, body)
    if column is not None:
        return (column,)
    names = [plain(name) for name in header]
    found = [names.index(name) for name in _SPLITS if name in names]
    flags = [column for column in found if names[column].startswith("is_")]
    return tuple(found[:1] if not flags or found[0] not in flags else flags)
