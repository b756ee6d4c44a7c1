"""A labels file in, names out, and back: line k names output k, UTF-8, byte for byte."""

from __future__ import annotations

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


def format_labels(labels: Sequence[str]) -> bytes:
    """The bytes of a labels file: each name and a newline."""
    return "".join(f"{label}\n" for label in labels).encode()


def read_labels(path: Path) -> tuple[str, ...]:
    """Reads a labels file.

    Raises:
      RunError: if it is not there or is not UTF-8 text.
    """
    try:
        return parse_labels(path.read_bytes())
    except FileNotFoundError:
        raise RunError(
            f"cannot read labels: {path} is not there; give the labels file of this graph with --labels"
        ) from None
    except UnicodeDecodeError as error:
        raise RunError(f"cannot read labels: {path} is not UTF-8 text ({error.reason} at byte {error.start})") from None
