"""Reads the names of the outputs from the structured forms of labels files.

The forms are a list (one name per line, `- name`, or with a column of numbers), JSON and Python literals, a label map
(.pbtxt), the `names:` of a YAML file, and CSV with a header. The content decides, not the file's name; no code in it is run.
"""

from __future__ import annotations

import ast
import csv
import io
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from label_image.errors import meaning

_NESTED = (
    "id2label", "idx_to_class", "index_to_class", "label2id", "class_to_idx", "class_indices", "labels", "class_names",
    "classes", "names", "categories", "label_map", "label",
)  # fmt: skip
_NUMBER_WORDS = ("id", "index", "idx", "number", "no", "key", "output", "")
_NAME_WORDS = (
    "display_name",
    "class_name",
    "label_name",
    "name",
    "label",
    "labels",
    "class",
    "category",
    "title",
    "word",
)
_ITEM = re.compile(r"\bitem\s{0,20}:?\s{0,20}\{")
_FIELD = re.compile(r"""\b(\w{1,100})\s{0,20}:\s{0,20}("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s{},;]+)""")
_LONGEST = 1_000  # characters of a line that is parsed; the patterns need quadratic time


@dataclass(frozen=True)
class Named:
    """The names in a labels file."""

    names: tuple[str, ...]  # in the order of the outputs
    form: str  # the form of the file, in words
    first: int | None = None  # the number of the first name, if the file numbers them: 0 or 1


class FormError(Exception):
    """A labels file has a known form but does not name the outputs 0 to n - 1; the text says what is wrong."""


def structured(text: str, table: bool) -> Named | None:
    """Reads the names from a structured file; None if the file is only a list of lines.

    Args:
      text: the whole file.
      table: whether the file's name says that it is CSV; then one column without a header is enough.

    Raises:
      FormError: the file is structured but does not name each output once.
    """
    start = text.lstrip()[:1]
    if start in ("[", "{"):
        return _notation(text)
    if _ITEM.search(text):
        return _label_map(text)
    if re.search(r"^names[ \t]*:", text, re.MULTILINE):
        return _yaml(text)
    return _dashed(text) or _csv(text, table) or _name_and_number(text)


def _notation(text: str) -> Named | None:
    """Reads JSON, or a list or dict as Python prints it."""
    try:
        found, form = json.loads(text), "JSON"
    except (ValueError, RecursionError) as error:
        try:
            found, form = ast.literal_eval(text.strip()), "a Python list or dict"
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            if text.lstrip().startswith("{") or len(text.strip().splitlines()) == 1:
                raise FormError(f"looks like JSON but is invalid ({meaning(error)})") from None
            return None  # a list of lines that begin with brackets
    names, first, way = _of_data(found, 0)
    return Named(names, f"{form}, {way}", first)


def _of_data(found: Any, depth: int) -> tuple[tuple[str, ...], int | None, str]:
    """Returns the names, the number of the first, and how they were found."""
    if isinstance(found, (list, tuple)):
        return _of_list(found)
    if not isinstance(found, dict) or not found or depth > 4:
        raise FormError("contains no names: it is neither a list nor an object of names and numbers")
    for key in _NESTED:
        if isinstance(found.get(key), (dict, list)) and found[key]:
            names, first, way = _of_data(found[key], depth + 1)
            return names, first, f"{key}: {way}"
    inner = [value for value in found.values() if isinstance(value, (dict, list))]
    if len(found) == 1 and inner:
        return _of_data(inner[0], depth + 1)
    return _of_pairs(found)


def _of_list(found: Sequence[Any]) -> tuple[tuple[str, ...], int | None, str]:
    if found and all(isinstance(each, str) for each in found):
        return tuple(found), None, "a list"
    if found and all(isinstance(each, dict) for each in found):
        names = [_first_of(each, _NAME_WORDS) for each in found]
        numbers = [_first_of(each, (*_NUMBER_WORDS, "class_id", "category_id")) for each in found]
        if all(isinstance(name, str) for name in names):
            if all(_whole(each) is not None for each in numbers):
                ordered, first = _in_order((_whole(n), name) for n, name in zip(numbers, names, strict=True))
                return ordered, first, "a list of numbers and names"
            return tuple(names), None, "a list of objects"
    raise FormError("contains a list, but not a list of names")


def _first_of(found: Mapping[Any, Any], keys: Sequence[str]) -> Any:
    return next((found[key] for key in keys if key in found), None)


def _of_pairs(found: Mapping[Any, Any]) -> tuple[tuple[str, ...], int | None, str]:
    """Reads {name: number}, as Keras writes class_indices, {number: name}, or {number: [id, name]}."""
    if all(_whole(value) is not None and not isinstance(value, str) for value in found.values()):
        names, first = _in_order((_whole(number), str(name)) for name, number in found.items())
        return names, first, "names and their numbers"
    if all(_whole(key) is not None for key in found):
        pairs = [(_whole(key), _name_in(value)) for key, value in found.items()]
        if all(name is not None for _, name in pairs):
            names, first = _in_order(pairs)
            return names, first, "numbers and their names"
    if all(_whole(value) is not None for value in found.values()):
        names, first = _in_order((_whole(number), str(name)) for name, number in found.items())
        return names, first, "names and their numbers"
    raise FormError(f"contains an object of {len(found)} entries that are not names and numbers")


def _name_in(value: Any) -> str | None:
    """Finds the name beside a number: the text itself, the last item of a list (as in Keras' ImageNet index), or a field."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and value and isinstance(value[-1], str):
        return value[-1]
    found = _first_of(value, _NAME_WORDS) if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _whole(value: Any) -> int | None:
    """Converts a value to a whole number; None if it is not one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,9}\s*", value):
        return int(value)
    return value if isinstance(value, int) else None


def _in_order(pairs: Iterable[tuple[int | None, str | None]]) -> tuple[tuple[str, ...], int]:
    """Sorts names by their numbers, and returns the first number too.

    Raises:
      FormError: the numbers are not consecutive from 0 or 1.
    """
    listed = sorted((number or 0, name or "") for number, name in pairs)
    numbers = [number for number, _ in listed]
    first = numbers[0] if numbers else 0
    if first not in (0, 1) or numbers != list(range(first, first + len(numbers))):
        twice = next((n for n, after in itertools.pairwise(numbers) if n == after), None)
        seen = set(numbers)
        gap = next((n for n in range(min(first, 1), first + len(numbers)) if n not in seen), None)
        what = f"{first} is below 0" if first < 0 else f"{gap} is missing"
        what = f"{twice} occurs twice" if twice is not None else what
        raise FormError(f"has numbers that are not consecutive from 0 or 1: {what}")
    return tuple(name for _, name in listed), first


def _label_map(text: str) -> Named:
    """Reads a label map as TensorFlow's object detection writes it; display_name takes precedence over name."""
    pairs = []
    for item in _ITEM.split(re.sub(r"^[ \t]*#.*$", "", text, flags=re.MULTILINE))[1:]:
        fields = {key: _unquoted(value) for key, value in reversed(_FIELD.findall(item))}
        name = fields.get("display_name") or fields.get("name")
        if name is None or _whole(fields.get("id")) is None:
            raise FormError("looks like a label map (.pbtxt), but an item has no id or no name")
        pairs.append((_whole(fields["id"]), name))
    names, first = _in_order(pairs)
    return Named(names, "a label map", first)


def _yaml(text: str) -> Named:
    """Reads the `names:` of a YAML file as Ultralytics writes it: a list or a map, in lines or in brackets."""
    lines = [_uncommented(line) for line in text.splitlines()]
    start = next(number for number, line in enumerate(lines) if re.match(r"names[ \t]*:", line))
    inline = lines[start].partition(":")[2].strip()
    form = "YAML, names"
    if inline[:1] in ("[", "{"):
        return _yaml_flow(" ".join([inline, *lines[start + 1 :]]), form)
    block = []
    for line in lines[start + 1 :]:
        if line.strip() and not line.startswith((" ", "\t", "-")):
            break
        block += [line.strip()] if line.strip() else []
    if inline or not block:
        raise FormError("looks like YAML, but its names: are neither a list nor a map")
    if all(re.match(r"-(\s|$)", line) for line in block):
        return Named(tuple(_unquoted(line[1:].strip()) for line in block), form)
    pairs = [re.fullmatch(r"""(?:["']?)(\d{1,9})(?:["']?)\s*:\s+(.+)""", line) for line in block]
    if not all(pairs):
        raise FormError("looks like YAML, but its names: are neither a list nor a map of numbers and names")
    names, first = _in_order((int(pair[1]), _unquoted(pair[2])) for pair in pairs if pair)
    return Named(names, form, first)


def _yaml_flow(text: str, form: str) -> Named:
    """Reads names in brackets: [cat, 'dog'] or {0: cat, 1: dog}."""
    parts = _split(text)
    if parts is None:
        raise FormError("looks like YAML, but the bracket of its names: is not closed")
    if text.startswith("["):
        return Named(tuple(_unquoted(part) for part in parts), form)
    pairs = [part.partition(":") for part in parts]
    if any(_whole(_unquoted(key.strip())) is None for key, _, _ in pairs):
        raise FormError("looks like YAML, but its names: are not a map of numbers and names")
    names, first = _in_order((_whole(_unquoted(key.strip())), _unquoted(name.strip())) for key, _, name in pairs)
    return Named(names, form, first)


def _split(text: str) -> list[str] | None:
    """Splits the text in a bracket at its commas; None if the bracket is not closed."""
    parts, start, quote = [], 1, ""
    before = ","  # the last character that is not a space
    for at, char in enumerate(text[1:], 1):
        if quote:
            quote = "" if char == quote and text[at - 1] != "\\" else quote
        elif char in "\"'" and before in ",:":
            quote = char
        elif char in ",]}":
            parts.append(text[start:at].strip())
            start = at + 1
            if char != ",":
                return [part for part in parts if part]
        before = before if char.isspace() else char
    return None


def _uncommented(line: str) -> str:
    """Removes the comment from a line of YAML."""
    found = re.match(r"""((?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^#"']|(?<=\S)#|["'])*)""", line)
    return (found[1] if found else line).rstrip()


def _unquoted(value: str) -> str:
    """Removes the quotes and escapes of a quoted word."""
    if len(value) < 2 or value[0] != value[-1] or value[0] not in "\"'":
        return value
    if value[0] == '"':
        try:
            return str(json.loads(value))
        except ValueError:
            return value[1:-1]
    return value[1:-1].replace("''", "'").replace("\\'", "'")


def _dashed(text: str) -> Named | None:
    """Reads a YAML list without a key: `- cat`."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#") and line.strip() != "---"]
    if lines and all(re.match(r"\s*-\s+\S", line) for line in lines):
        return Named(tuple(_unquoted(line.strip()[1:].strip()) for line in lines), "a YAML list")
    return None


def _csv(text: str, table: bool) -> Named | None:
    """Reads a table whose header names the column of names, and possibly the column of numbers."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) < 2:
        return None
    separator = max(",;\t|", key=lines[0].count)
    try:
        rows = [row for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=separator) if any(row)]
    except csv.Error:
        return None
    header = [re.sub(r"[\s\-]+", "_", cell.strip().lower()) for cell in rows[0]]
    name_at = _name_column(header, rows[1:])
    if name_at is None or (len(header) < 2 and not table):
        return _headless(rows) if table else None
    number_at = _number_column(header, rows[1:], name_at)
    if number_at == name_at or any(len(row) <= max(name_at, number_at or 0) for row in rows[1:]):
        return None
    names = [row[name_at].strip() for row in rows[1:]]
    form = f"CSV, column {rows[0][name_at].strip()!r}"
    if number_at is None:
        return Named(tuple(names), form)
    ordered, first = _in_order((_whole(row[number_at]), name) for row, name in zip(rows[1:], names, strict=True))
    return Named(ordered, form, first)


def _name_column(header: list[str], rows: list[list[str]]) -> int | None:
    """Finds the column of names: a column with a suitable header that contains more than numbers."""
    called = [header.index(word) for word in _NAME_WORDS if word in header]
    texts = [at for at in called if not all(len(row) > at and _whole(row[at]) is not None for row in rows)]
    return next(iter([*texts, *called]), None)


def _number_column(header: list[str], rows: list[list[str]], name_at: int) -> int | None:
    """Finds the column of class numbers: whole numbers under a suitable header."""
    for at, word in enumerate(header):
        called = word in _NUMBER_WORDS or word.endswith(("id", "idx", "index"))
        called = called or word in ("class", "label", "category")
        if at != name_at and called and all(len(row) > at and _whole(row[at]) is not None for row in rows):
            return at
    return None


def _headless(rows: list[list[str]]) -> Named | None:
    """Reads a table without a header: one column, or two of which one numbers the other."""
    if all(len(row) == 1 for row in rows):
        return Named(tuple(row[0].strip() for row in rows), "CSV of one column")
    if not all(len(row) == 2 for row in rows):
        raise FormError("looks like CSV, but has no column called name or label")
    for number_at in (0, 1):
        if all(_whole(row[number_at]) is not None for row in rows):
            names, first = _in_order((_whole(row[number_at]), row[1 - number_at].strip()) for row in rows)
            return Named(names, "CSV of numbers and names", first)
    raise FormError("looks like CSV, but has no column called name or label")


def _name_and_number(text: str) -> Named | None:
    """Reads lines such as `cat: 0`, `cat,0` or with a tab: consecutive numbers from 0, and no name twice."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if any(len(line) > _LONGEST for line in lines):
        return None
    pairs = [re.fullmatch(r"""\s*(\S.*?)\s*[:,\t;]\s*(\d{1,9})\s*""", line) for line in lines]
    if not pairs or not all(pairs):
        return None
    found = [(int(pair[2]), _unquoted(pair[1])) for pair in pairs if pair]
    if sorted(number for number, _ in found) != list(range(len(found))) or len({name for _, name in found}) < len(
        found
    ):
        return None
    return Named(tuple(name for _, name in sorted(found)), "names and their numbers", 0)
