"""Reads and writes labels files: line k names output k, in UTF-8.

`parse_labels` reads exactly what `format_labels` writes. `labels_of` also reads other encodings and forms.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import RunError

_LARGEST = 4 << 20  # bytes; a labels file of 21,000 ImageNet classes takes 0.5 MB
_LONGEST = 1_000  # characters of a name that may begin with a number; the pattern needs quadratic time
_TABLES = (".csv", ".tsv")
_FORMS = "one name per line, JSON, a label map (.pbtxt), YAML with names:, or CSV with a header"
_LOOKS = (  # first bytes -> what it looks like
    (b"PK\x03\x04", "a zip archive or an Excel table"), (b"\x89PNG", "a picture"), (b"\xff\xd8\xff", "a picture"),
    (b"%PDF", "a PDF document"), (b"\x89HDF", "a Keras file"), (b"\x93NUMPY", "a NumPy file"), (b"\x80", "a pickle"),
    (b"\x1f\x8b", "a gzip archive"), (b"\xd0\xcf\x11\xe0", "an old Excel or Word file"), (b"SQLite", "a database"),
)  # fmt: skip


@dataclass(frozen=True)
class Labels:
    """The content of a labels file."""

    names: tuple[str, ...]
    form: str  # "one name per line", "JSON, a list"
    plain: tuple[str, ...] = ()  # the lines unchanged, if the file is a list of lines
    first: int | None = None  # the number of the first name, if the file numbers them
    notes: tuple[str, ...] = ()  # decisions made while reading, in words

    @property
    def readings(self) -> tuple[tuple[str, ...], ...]:
        """The possible readings of the file, the most likely first: numbers, comments and empty lines may be names."""
        filled = tuple(line for line in self.plain if line.strip())
        return tuple(dict.fromkeys((self.names, *((filled, self.plain) if self.plain else ()))))


def parse_labels(data: bytes) -> tuple[str, ...]:
    """Reads the names in a labels file; a byte-order mark, CRLF and empty lines at the end are removed.

    >>> parse_labels("daisy\\r\\nrose hip\\r\\n".encode())
    ('daisy', 'rose hip')
    """
    text = data.decode("utf-8-sig")
    lines = text.replace("\r\n", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    return tuple(line.rstrip("\r") for line in lines)


_NUMBERED = re.compile(r"\s*(\d+)(?:\s*[:,]\s*|\s+)(\S.*?)\s*")
_BACKGROUND = ("background", "__background__", "dummy", "unused background", "???")


def without_index(labels: Sequence[str]) -> tuple[str, ...]:
    """Removes a column of indices, as Teachable Machine (`0 Class`) and the original MobileNets (`0:background`) write it.

    It is removed only if the lines are numbered consecutively from 0 or 1 and the remaining names are (almost) distinct:
    "61326 scratch mark", "1 euro" above "2 euro", "001-Green" and plain digits are names.

    >>> without_index(["0 Class 1", "1 Class 2"])
    ('Class 1', 'Class 2')
    >>> without_index(["61326 scratch mark", "61326 wrinkle"])
    ('61326 scratch mark', '61326 wrinkle')
    """
    if any(len(label) > _LONGEST for label in labels):
        return tuple(labels)
    parts = [_NUMBERED.fullmatch(label) for label in labels]
    found = [(int(part[1]), part[2]) for part in parts if part]
    names = tuple(name for _, name in found)
    # ImageNet's 1,000 names contain crane and maillot twice; among few names a repeated one means "1 euro", "2 euro".
    if len(found) != len(labels) or len(names) - len(set(names)) > len(names) // 100:
        return tuple(labels)
    numbers = [number for number, _ in found]
    whole = numbers in (list(range(len(numbers))), list(range(1, len(numbers) + 1)) if len(numbers) > 1 else [0])
    return names if whole else tuple(labels)


def by_number(labels: Sequence[str]) -> tuple[tuple[str, ...], int] | None:
    """Sorts names by the numbers before them, and returns the first number too; None if the lines are in order.

    Lines sorted as text are not changed: "0 cat", "1 dog", "10 fox", "2 hen" are names of folders in the order of the outputs.

    >>> by_number(["2 tulips", "0 daisy", "1 roses"]), by_number(["0 cat", "1 dog"])
    ((('daisy', 'roses', 'tulips'), 0), None)
    """
    if list(labels) == sorted(labels) or any(len(label) > _LONGEST for label in labels):
        return None
    parts = [_NUMBERED.fullmatch(label) for label in labels]
    found = sorted((int(part[1]), part[2]) for part in parts if part and len(part[1]) < 10)
    names = tuple(name for _, name in found)
    read = len(found) == len(labels) and without_index([f"{number} {name}" for number, name in found]) == names
    return (names, found[0][0]) if read else None


def fitted(labels: tuple[str, ...], outputs: int) -> tuple[str, ...]:
    """Removes ImageNet's background class if the network has no output for it: 1,001 names for 1,000 outputs.

    Conversely, for 1,000 names and 1,001 outputs it adds the background class as the first.

    >>> fitted(("background", "cat", "dog"), 2)
    ('cat', 'dog')
    """
    if len(labels) == outputs + 1 and labels[0].strip().lower() in _BACKGROUND:
        return labels[1:]
    if len(labels) == 1000 and outputs == 1001:
        return ("background", *labels)
    return labels


def chosen(found: Labels, outputs: int) -> tuple[str, ...]:
    """Chooses the reading of a labels file that fits a network: the first that has the right number of names, else the most likely.

    Args:
      found: the content of the file.
      outputs: the number of the network's outputs; 0 if unknown.

    >>> chosen(Labels(("cat",), "one name per line", ("#1", "cat")), 2)
    ('#1', 'cat')
    """
    if found.first == 1 and len(found.names) + 1 == outputs:
        return ("background", *found.names)  # label maps number from 1 and reserve 0 for the background
    for names in found.readings:
        if outputs and len(fitted(names, outputs)) == outputs:
            return names
    return found.names


def format_labels(labels: Sequence[str]) -> bytes:
    """Makes the bytes of a labels file: each name and a newline."""
    return "".join(f"{label}\n" for label in labels).encode()


def read_labels(path: Path) -> tuple[str, ...]:
    """Reads the names in a labels file, in the most likely reading.

    Raises:
      RunError: the file cannot be read or contains no names.
    """
    return labels_file(path).names


def labels_file(path: Path) -> Labels:
    """Reads a labels file in any known form.

    Raises:
      RunError: as `read_labels`.
    """
    return labels_of(_bytes(path), path)


def labels_of(data: bytes, path: Path) -> Labels:
    """Reads the names from the bytes of a labels file.

    Args:
      data: the whole file.
      path: its name, for the error; the ending .csv means a table.

    Raises:
      RunError: it contains no names.
    """
    from label_image.label_forms import FormError, structured  # not needed if the classifier contains its labels

    text, note = _decoded(data, path)
    notes = (note,) if note else ()
    if not text.strip():
        raise RunError(f"cannot read labels: {path} is empty; give {_FORMS}")
    if re.match(r"\s*<(!doctype|html|\?xml)", text, re.IGNORECASE):
        raise RunError(f"cannot read labels: {path} looks like a web page or XML; give {_FORMS}")
    try:
        named = structured(text, path.suffix.lower() in _TABLES)
    except FormError as error:
        raise RunError(f"cannot read labels: {path} {error}; give {_FORMS}") from None
    if named is not None:
        return Labels(named.names, named.form, (), named.first, (*notes, *_twice(named.names)))
    return _lines(text, notes)


def _lines(text: str, notes: tuple[str, ...]) -> Labels:
    """Reads one name per line, without comments, empty lines and a column of numbers."""
    plain = parse_labels(
        (text if "\n" in text else text.replace("\r", "\n")).encode()
    )  # "\r" alone is the line end of old Macs
    kept = tuple(line.strip() for line in plain if line.strip() and not line.lstrip().startswith("#"))
    comments = sum(line.lstrip().startswith("#") for line in plain)
    if comments:
        notes += (f"{_counted(comments, 'line')} beginning with # skipped",)
    names = without_index(kept)
    first = 1 if names != kept and re.match(r"\s*0*1\b", kept[0]) else None
    ordered = by_number(kept) if names == kept else None
    if ordered is not None:
        names, first = ordered
        notes += ("the numbers before the names give their outputs, not the order of the lines",)
    return Labels(names, "one name per line", plain, first, (*notes, *_twice(names)))


def _twice(names: tuple[str, ...]) -> tuple[str, ...]:
    """Reports the names that occur more than once, because their scores cannot be distinguished by name."""
    found = sorted(name for name, count in Counter(names).items() if count > 1)
    if not found:
        return ()
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return (f"{_counted(len(found), 'name')} occurring more than once: {', '.join(map(repr, found[:3]))}{more}",)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise RunError(
            f"cannot read labels: {path} does not exist; give the labels file of this graph with --labels"
        ) from None
    except IsADirectoryError:
        raise RunError(f"cannot read labels: {path} is a folder; give the labels file in it with --labels") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise RunError(f"cannot read labels: {path}: {why}; give the labels file of this graph with --labels") from None
    if len(data) > _LARGEST:
        raise RunError(f"cannot read labels: {path} is larger than 4 MB, too large for a labels file; give {_FORMS}")
    return data


def _decoded(data: bytes, path: Path) -> tuple[str, str]:
    """Decodes a file in UTF-8, UTF-16 or Latin-1; the second value is a note if it is Latin-1.

    Raises:
      RunError: the file is not text.
    """
    looks = next((what for start, what in _LOOKS if data.startswith(start)), "a .tflite" * (data[4:8] == b"TFL3"))
    if looks:
        raise RunError(f"cannot read labels: {path} looks like {looks}; give {_FORMS}")
    try:
        for mark, encoding in ((b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
            if data.startswith(mark):
                return data.decode(encoding), ""
        if b"\0" in data:
            return data.decode(_utf_16_without_mark(data)), ""
        text, note = data.decode("utf-8-sig"), ""
    except UnicodeDecodeError as error:
        if b"\0" in data:
            raise RunError(
                f"cannot read labels: {path} is not UTF-8 text ({error.reason} at byte {error.start}); give {_FORMS}"
            ) from None
        text = data.decode("cp1252", "replace")
        note = "the file is not UTF-8 and is read as Latin-1 (Windows-1252)"
    if any(unicodedata.category(char) == "Cc" and char not in "\t\r\n\f\v\x1a" for char in text):
        raise RunError(f"cannot read labels: {path} is not UTF-8 text (it contains control characters); give {_FORMS}")
    return text.rstrip("\x1a"), note


def _utf_16_without_mark(data: bytes) -> str:
    """Finds the byte order of UTF-16 by the position of the zero bytes of line ends and Latin letters."""
    behind, before = data[1::2].count(0), data[::2].count(0)
    return "utf-16-le" if behind >= before else "utf-16-be"
