"""Normalises the names of folders and files for comparison, and finds names that people cannot tell apart.

macOS, and archives made there, write "é" as two characters (NFD); Linux and Windows write it as one (NFC). Both are the same
name, so all code that hashes, sorts or compares names uses the NFC form.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_NO_WIDTH = "\u034f\u115f\u1160\u3164\uffa0"  # invisible fillers that Unicode does not classify as format characters
# Letters and signs, after case folding, that look like a letter or sign of the Latin alphabet.
_DOUBLES = str.maketrans(
    "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0456\u0458\u0455\u0501\u03bf\u0131"
    "\u2010\u2011\u2012\u2013\u2014\u2212\u2018\u2019\u02bc\u00b4\u0060",
    "abekmhopctyxijsdoi" + "------" + "'''''",
)


def composed(name: str) -> str:
    """Returns the NFC form of a name; an ASCII name is returned unchanged.

    >>> len("re\\u0301"), len(composed("re\\u0301"))
    (3, 2)
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def seen(name: str) -> str:
    """Returns the visible part of a name: without outer spaces, repeated spaces and characters of no width.

    >>> seen("rose ") == seen("ro\\u200bse") == "rose"
    True
    """
    if name.isascii() and name.isprintable():
        return " ".join(name.split())
    return composed(" ".join("".join(_visible(letter) for letter in name).split()))


def folded(name: str) -> str:
    """Returns `seen(name)` without differences that are easily overlooked: case, width, similar letters of other alphabets, dashes.

    >>> folded("Rose") == folded("rose") == folded("\\uff32ose") == folded("r\\u043ese")
    True
    """
    simple = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return seen(simple.translate(_DOUBLES))


def alike(names: Iterable[str]) -> list[list[str]]:
    """Groups the names that are easily confused with each other."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(folded(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _visible(letter: str) -> str:
    """Returns a character as it is displayed: itself, a space, or nothing."""
    kind = unicodedata.category(letter)
    if (
        kind in ("Cc", "Cf") or letter in _NO_WIDTH or "\ufe00" <= letter <= "\ufe0f"
    ):  # the last range selects glyph variants
        return " " if letter in "\t\v\f" else ""
    return " " if kind.startswith("Z") or letter == "\u2800" else letter
