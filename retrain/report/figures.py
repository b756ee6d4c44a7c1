"""Formats the figures of a record for the report page, each with its position in run.json.

A figure is written as `<data value="0.9" data-of='["accuracy"]'>90.0 %</data>`. A test compares every one with run.json.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

Place = Sequence[str | int]
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")


class Figures:
    """Formats the figures of one record."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = record

    def __call__(self, place: Place, form: str = "count") -> Markup:
        """Returns the figure at a position in the record, formatted by FORMS; a dash if there is none.

        >>> print(Figures({"interval_95": [0.809, 0.933]})(["interval_95", 1], "percent"))
        <data value="0.933" data-form="percent" data-of="[&#34;interval_95&#34;, 1]">93.3 %</data>
        """
        value: Any = self._record
        try:
            for step in place:
                value = value[step]
        except (KeyError, IndexError, TypeError):
            value = None
        if value is None:
            return Markup('<span class="none" title="no value">–</span>')  # noqa: RUF001
        return Markup('<data value="{}" data-form="{}" data-of="{}">{}</data>').format(
            json.dumps(value), form, json.dumps(list(place)), FORMS[form](value)
        )


def size(count: float) -> str:
    """Formats a number of bytes.

    >>> size(13_400_000), size(40)
    ('13.4 MB', '40 bytes')
    """
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count:,.0f} bytes"


FORMS: dict[str, Callable[[Any], str]] = {
    "count": lambda value: f"{value:,}",
    "percent": lambda value: f"{value * 100:.1f} %",
    "points": lambda value: f"{value * 100:.1f}",
    "rough": lambda value: f"{value * 100:.0f} of 100",
    "seconds": lambda value: f"{value:.2f} s" if value >= 0.005 else "< 0.01 s",
    "rate": lambda value: f"{value:,.0f} images/s",
    "milliseconds": lambda value: f"{value:.1f} ms",
    "bytes": size,
    "difference": lambda value: f"{value:.1g}",
    "similarity": lambda value: f"{value:.2f}",
    "loss": lambda value: f"{value:.3f}",
    "number": lambda value: f"{value:g}",
}


def printable(value: Any) -> Any:
    """Escapes the characters of a text that a page or chart cannot contain; other values are returned unchanged.

    These are control characters other than tabs and line ends, which XML forbids, the two code points that are not
    characters, and bytes of a file name that are not UTF-8.

    >>> printable("do\\x0bg"), printable(os.fsdecode(bytes([97, 255])))
    ('do\\\\x0bg', 'a\\\\xff')
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], value)
    if text.isascii():
        return text
    try:
        return os.fsencode(text).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that does not represent a byte
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def short(path: str) -> str:
    """Shortens the path of a photo to its folder and name.

    >>> short("photos/daisy/1.jpg"), short(r"photos\\daisy\\1.jpg")
    ('daisy/1.jpg', 'daisy/1.jpg')
    """
    parts = path.split("/" if "/" in path else "\\")
    return "/".join(parts[-2:])
