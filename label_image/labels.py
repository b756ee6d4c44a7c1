"""A labels file in, names out, and back: line k names output k, UTF-8, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from label_image.errors import RunError


def parse_labels(data: bytes) -> tuple[str, ...]:
    """The names in a labels file; a byte-order mark, CRLF and a missing last newline are taken off.

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
    """Takes off a column of indices, as Teachable Machine (`0 Class`) and the original MobileNets (`0:background`) write it.

    Only where every line is numbered, from 0 or 1 on without a gap, and the names without it are (all but) distinct: "61326 scratch
    mark", "1 euro" above "2 euro", "001-Green" and bare digits are names.

    >>> without_index(["0 Class 1", "1 Class 2"])
    ('Class 1', 'Class 2')
    >>> without_index(["61326 scratch mark", "61326 wrinkle"])
    ('61326 scratch mark', '61326 wrinkle')
    """
    parts = [_NUMBERED.fullmatch(label) for label in labels]
    found = [(int(part[1]), part[2]) for part in parts if part]
    names = tuple(name for _, name in found)
    # ImageNet's own names hold two cranes and two maillots in 1,000; among few names a repeated one means "1 euro", "2 euro".
    if len(found) != len(labels) or len(names) - len(set(names)) > len(names) // 100:
        return tuple(labels)
    numbers = [number for number, _ in found]
    whole = numbers in (list(range(len(numbers))), list(range(1, len(numbers) + 1)) if len(numbers) > 1 else [0])
    return names if whole else tuple(labels)


def fitted(labels: tuple[str, ...], outputs: int) -> tuple[str, ...]:
    """Leaves the background class of ImageNet's lists out where the network has no output for it: 1,001 names for 1,000.

    >>> fitted(("background", "cat", "dog"), 2)
    ('cat', 'dog')
    """
    if len(labels) == outputs + 1 and labels[0].strip().lower() in _BACKGROUND:
        return labels[1:]
    return labels


def format_labels(labels: Sequence[str]) -> bytes:
    """The bytes of a labels file: each name and a newline."""
    return "".join(f"{label}\n" for label in labels).encode()


def read_labels(path: Path) -> tuple[str, ...]:
    """Reads a labels file, as `parse_labels` and without a column of indices.

    Raises:
      RunError: if it is not there or is not UTF-8 text.
    """
    try:
        return without_index(parse_labels(path.read_bytes()))
    except FileNotFoundError:
        raise RunError(
            f"cannot read labels: {path} is not there; give the labels file of this graph with --labels"
        ) from None
    except UnicodeDecodeError as error:
        raise RunError(f"cannot read labels: {path} is not UTF-8 text ({error.reason} at byte {error.start})") from None
