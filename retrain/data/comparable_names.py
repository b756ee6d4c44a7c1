"""Names of folders and files as text to compare: the same on each system, and which of them people cannot tell apart.

macOS and archives made there write "é" as two characters (NFD), Linux and Windows as one (NFC). Both are the same name, so
whatever hashes, sorts or compares names takes the NFC form.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_NO_WIDTH = "\u034f\u115f\u1160\u3164\uffa0"  # fillers that are no format characters by their category
# Letters and signs that have a double in the Latin alphabet, as case folding leaves them.
_DOUBLES = str.maketrans(
    "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0456\u0458\u0455\u0501\u03bf\u0131"
    "\u2010\u2011\u2012\u2013\u2014\u2212\u2018\u2019\u02bc\u00b4\u0060",
    "abekmhopctyxijsdoi" + "------" + "'''''",
)


def composed(name: str) -> str:
    """The NFC form; ASCII is its own.

    >>> len("re\\u0301"), len(composed("re\\u0301"))
    (3, 2)
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def seen(name: str) -> str:
    """What people see of a name: no space at its ends, one in place of several, no character without width.

    >>> seen("rose ") == seen("ro\\u200bse") == "rose"
    True
    """
    if name.isascii() and name.isprintable():
        return " ".join(name.split())
    return composed(" ".join("".join(_visible(letter) for letter in name).split()))


def folded(name: str) -> str:
    """The same without what is easily overlooked: upper and lower case, width, letters of other alphabets, kinds of dashes.

    >>> folded("Rose") == folded("rose") == folded("\\uff32ose") == folded("r\\u043ese")
    True
    """
    simple = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return seen(simple.translate(_DOUBLES))


def alike(names: Iterable[str]) -> list[list[str]]:
    """Names that are easily taken for each other, those of a group together."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(folded(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _visible(letter: str) -> str:
    """A character as it shows: as itself, as a space, or not at all."""
    kind = unicodedata.category(letter)
    if kind in ("Cc", "Cf") or letter in _NO_WIDTH or "\ufe00" <= letter <= "\ufe0f":  # the last choose a sign's form
        return " " if letter in "\t\v\f" else ""
    return " " if kind.startswith("Z") or letter == "\u2800" else letter
