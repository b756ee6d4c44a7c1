"""Reads pictures from TFRecords, byte for byte.

Features are named as TF-slim's scripts named them (`image/encoded`, `image/class/label`, `image/class/text`,
`image/filename`) or as in TensorFlow Datasets (`image`, `label`). The name of a file ("flowers_train_00000-of-00005") states the subset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from label_image.errors import PhotoError, RunError, UserError
from label_image.photo_pixels import open_photo
from label_image.sorting import safe_name
from retrain.convert.source import Picture, Source
from retrain.formats.tf_example import features
from retrain.formats.tfrecord_file import count_records, records

_PICTURES, _NUMBERS = ("image/encoded", "image"), ("image/class/label", "label")
_TEXT, _FILENAME = "image/class/text", "image/filename"
_LABELS = ("labels.txt", "label.labels.txt")  # of TF-slim, of TensorFlow Datasets
_RECORDS = re.compile(r"\.(tfrecords?|tfrec|record)\b|-\d+-of-\d+$")
_PART = re.compile(r"(.*)-(\d+)-of-(\d+)(\D*)")
_LIST = re.compile(r"(?<![a-z])(train|training|validation|valid|val|test|testing)(?![a-z])")
_LISTS = {"training": "train", "valid": "validation", "val": "validation", "testing": "test"}
_ENDINGS = {
    "JPEG": (".jpg", ".jpeg"),
    "MPO": (".jpg", ".jpeg"),
    "TIFF": (".tif", ".tiff"),
}  # for other formats, the suffix is the name of the format


def read(src: Path) -> Source:
    """Opens TFRecords.

    Args:
      src: a file, or a folder of them; a labels file beside them names the classes.

    Returns:
      the pictures in the order of the files. Records without a readable picture are left out, with a note.

    Raises:
      UserError: there is no TFRecord, or only some of their names state a subset.
      RunError: a file is damaged, or a record has no label; this may also occur while the pictures are read.
    """
    files = [src] if src.is_file() else [path for path in sorted(src.iterdir()) if _is_record(path)]
    if not files:
        raise UserError(f"no TFRecord in {src}: expected names like photos.tfrecord and train-00000-of-00002")
    lists = {path: _subset_of_file(path) for path in files}
    named = set(lists.values())
    if len(named) > 1 and "" in named:
        stray = next(path for path in files if not lists[path])
        raise UserError(
            f"cannot tell the subset of {stray}: the names of other files here contain {', '.join(sorted(named - {''}))}; rename it or move it away"
        )
    notes = _missing_parts(files)
    labels = _label_names(files[0].parent)
    total = sum(count_records(path) for path in files)
    return Source(total, tuple(sorted(named - {""})), _pictures(lists, labels, notes), notes)


def _is_record(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and _RECORDS.search(path.name) is not None


def _subset_of_file(path: Path) -> str:
    found = _LIST.findall(path.name.lower())
    return _LISTS.get(found[-1], found[-1]) if found else ""


def _missing_parts(files: list[Path]) -> list[str]:
    """Returns a note on each incomplete set of numbered parts."""
    parts: dict[tuple[str, int, str], set[int]] = {}
    for path in files:
        if part := _PART.fullmatch(path.name):
            parts.setdefault((part[1], int(part[3]), part[4]), set()).add(int(part[2]))
    return [
        f"{name}: {len(there)} of {count} parts are present{ending and f' ({ending})'}"
        for (name, count, ending), there in parts.items()
        if len(there) < count
    ]


def _label_names(folder: Path) -> dict[int, str]:
    """Reads a labels file, with "0:daisy" or "daisy" on each line; returns {} if there is no such file."""
    path = next((folder / name for name in _LABELS if (folder / name).is_file()), None)
    if path is None:
        return {}
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise RunError(f"cannot read {path}: it is not UTF-8; save it as UTF-8") from None
    pairs = [re.fullmatch(r"(\d+)\s*:\s*(.+)", line) for line in lines]
    if all(pairs):
        return {int(pair[1]): pair[2] for pair in pairs if pair}
    return dict(enumerate(lines))


def _pictures(lists: Mapping[Path, str], labels: Mapping[int, str], notes: list[str]) -> Iterator[Picture]:
    left_out: list[str] = []
    for path, which in lists.items():
        for number, record in enumerate(records(path)):
            where = f"record {number} of {path}"
            try:
                found = features(record)
            except ValueError as error:
                raise RunError(f"cannot read {where}: it is not a tf.train.Example ({error})") from None
            data = _single_value(found, _PICTURES, bytes, where)
            if data is None:
                raise RunError(
                    f"cannot read {where}: it has no {_PICTURES[0]}; found {', '.join(sorted(found)) or 'no feature'}"
                )
            label = _label(found, labels, where)
            try:
                with open_photo(data) as image:
                    kind = image.format or ""
            except PhotoError as error:
                left_out.append(f"{where} ({error})")
                continue
            name = _single_value(found, (_FILENAME,), bytes, where) or f"{path.name}_{number:06d}".encode()
            yield Picture(label, _file_name(name, kind), data, which, where)
    if left_out:
        notes.append(f"{len(left_out)} records contain no readable picture; the first is {left_out[0]}")


def _single_value(found: Mapping[str, list[bytes] | list[int]], names: tuple[str, ...], kind: type, where: str) -> Any:
    """Returns the single value of the first of these features that exists; None if none exists."""
    name = next((name for name in names if name in found), None)
    if name is None:
        return None
    if len(found[name]) > 1 or not isinstance(found[name][0], kind):
        raise RunError(f"cannot read {where}: {name} is not a single {'number' if kind is int else 'byte string'}")
    return found[name][0]


def _label(found: Mapping[str, list[bytes] | list[int]], labels: Mapping[int, str], where: str) -> str:
    number, text = _single_value(found, _NUMBERS, int, where), _single_value(found, (_TEXT,), bytes, where)
    if labels and number is not None:
        if number not in labels:
            raise RunError(f"cannot name the label {number} of {where}: the labels file beside it has no such number")
        return labels[number]
    if text:
        return str(text.decode("utf-8", "replace"))
    if number is None:
        raise RunError(f"cannot read {where}: it has no {_NUMBERS[0]} and no {_TEXT}")
    return str(number)


def _file_name(name: bytes, kind: str) -> str:
    """Converts a name to a file name with the suffix of the picture's format."""
    path = PureWindowsPath(name.decode("utf-8", "replace"))  # accepts both kinds of slashes
    endings = _ENDINGS.get(kind, (f".{kind.lower()}",))
    if path.suffix.lower() in endings:
        return safe_name(path.stem) + path.suffix
    return safe_name(path.name) + endings[0]
