"""Reads the tables of a FlatBuffer by field number, without schema classes and without copying; every offset is checked.

An offset that points outside the file raises IndexError or struct.error and nothing else, so a caller can catch these two.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

_SIZES = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8}
_MOST = 1 << 24  # elements of a vector of tables


@dataclass(frozen=True)
class Table:
    """One table of a FlatBuffer.

    Attributes:
      data: the whole file.
      at: where the table begins.
    """

    data: Any  # bytes, bytearray or a mapping
    at: int

    def place(self, number: int) -> int:
        """The position of a field's value; 0 if the table does not contain the field."""
        fields = self.at - int(struct.unpack_from("<i", self.data, self.at)[0])
        if not 0 <= fields < len(self.data):
            raise IndexError(fields)
        slot = 4 + 2 * number
        if slot + 2 > struct.unpack_from("<H", self.data, fields)[0]:
            return 0
        offset = int(struct.unpack_from("<H", self.data, fields + slot)[0])
        return self.at + offset if offset else 0

    def number(self, number: int, form: str, default: float = 0) -> Any:
        """The value of a scalar field; `form` is a format character of `struct`."""
        place = self.place(number)
        return struct.unpack_from(f"<{form}", self.data, place)[0] if place else default

    def table(self, number: int) -> Table | None:
        """The table that a field contains."""
        place = self.place(number)
        return Table(self.data, self._followed(place)) if place else None

    def tables(self, number: int) -> list[Table]:
        """The tables of a field that is a vector of tables."""
        start, count = self.span(number, 4)
        if count > _MOST:
            raise IndexError(count)
        places = range(start, start + 4 * count, 4)
        return [Table(self.data, self._followed(place)) for place in places]

    def element(self, number: int, index: int) -> Table:
        """One table of a field that is a vector of tables."""
        start, count = self.span(number, 4)
        if not 0 <= index < count:
            raise IndexError(index)
        return Table(self.data, self._followed(start + 4 * index))

    def text(self, number: int) -> bytes:
        """A field that is a string; empty where it is left out."""
        start, count = self.span(number, 1)
        return bytes(self.data[start : start + count])

    def numbers(self, number: int, form: str) -> tuple[Any, ...]:
        """The numbers of a field that is a vector of scalars."""
        start, count = self.span(number, _SIZES[form])
        return struct.unpack_from(f"<{count}{form}", self.data, start)

    def span(self, number: int, size: int) -> tuple[int, int]:
        """The position of a vector's first element, and the number of elements; (0, 0) if the field is missing."""
        place = self.place(number)
        if not place:
            return 0, 0
        start = self._followed(place) + 4
        count = int(struct.unpack_from("<I", self.data, start - 4)[0])
        if start + count * size > len(self.data):
            raise IndexError(count)
        return start, count

    def _followed(self, place: int) -> int:
        to = place + int(struct.unpack_from("<I", self.data, place)[0])
        if to + 4 > len(self.data):
            raise IndexError(to)
        return to


def root(data: Any) -> Table:
    """The root table of the file."""
    return Table(data, int(struct.unpack_from("<I", data)[0]))
