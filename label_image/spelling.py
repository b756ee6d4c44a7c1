"""Checks the words of a command line: finds typographic characters, parses numbers and suggests similar names.

Text copied from web pages and documents may contain typographic dashes, spaces and quotes. They look like those of the keyboard,
but a shell treats them as letters; the error says in one line what to type instead.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import unicodedata
from collections.abc import Sequence

from label_image.errors import UserError

_QUOTES = (
    "\u201a\u201b\u201e\u201f\u2032\u2033\u00b4\uff02\uff07\u301d\u301e"  # in addition to the categories Pi and Pf
)
_DASHES = "\u2212\u00ad\u2500\u2501"  # minus, soft hyphen, box drawings; in addition to the category Pd
_LINE_ENDS = {"\\": "of bash", "^": "of cmd", "`": "of PowerShell"}
_MOST = 4  # names suggested at most


def refuse_odd_flag(word: str, names: Sequence[str]) -> None:
    """Refuses a word that would be a flag if its dashes, spaces and quotes were those of the keyboard.

    Raises:
      UserError: the message names the character and what to type.
    """
    if word in _LINE_ENDS:
        raise UserError(
            f"{word!r} alone is the line continuation {_LINE_ENDS[word]}, which this shell does not know; "
            "write the command on one line"
        )
    head, equals, value = word.partition("=" if "=" in word else "\uff1d")
    odd = _odd(head) or (_odd(equals) if equals else [])
    if not odd:
        return
    found = re.match(r"-+ *([A-Za-z][A-Za-z0-9_-]*)(.*)", _plain(head).strip(), re.DOTALL)
    name = found[1].replace("-", "_") if found else ""
    if not found or not (name in names or (name.startswith("no") and name[2:] in names)):
        return
    rest = (
        f"={value.rstrip(''.join(_odd(value[-1:]))) if value else value}"
        if equals
        else f" {found[2].strip()}"
        if found[2].strip()
        else ""
    )
    raise UserError(f"{word!r} has {_listed(odd)}, as in text copied from a web page; type --{name}{rest}")


def refuse_odd_value(name: str, value: str) -> None:
    """Refuses typographic quotes around a value, and invisible characters at its ends.

    Raises:
      UserError: the message names the character and what to type.
    """
    bare = _bare(value)
    if bare == value or os.path.lexists(value):
        return
    quoted = f'"{bare}"' if " " in bare else bare
    odd = ["'"] if value[0] == "'" else _odd(value[:1] + value[-1:])
    raise UserError(f"--{name}={value!r} has {_listed(odd)} around its value; type --{name}={quoted}")


def refuse_lone_equals(name: str, value: str, following: Sequence[str]) -> None:
    """Refuses `--name = value` and `--name =value`; `value` is the word after the name, `following` the words after that.

    Raises:
      UserError: the message says what to type.
    """
    if value.startswith("=") and not os.path.lexists(value):
        meant = value[1:] or next(iter(following), "VALUE")
        raise UserError(f"--{name} {value}: there is a space before the sign =; type --{name}={meant}")


def refuse_empty_value(name: str, following: Sequence[str]) -> None:
    """Refuses `--name= value`, caused by a superfluous space or an unset shell variable.

    Raises:
      UserError: the message says what to type.
    """
    if following and not following[0].startswith("-"):
        raise UserError(
            f"--{name}= is empty, and {following[0]!r} follows; type --{name}={following[0]} without a space, "
            f"or leave --{name} out"
        )


def is_number(word: str) -> bool:
    """Returns whether a word is a number as Python reads it.

    >>> is_number("-1e3"), is_number("daisy")
    (True, False)
    """
    try:
        float(word)
    except ValueError:
        return False
    return True


def whole_number(name: str, value: str) -> int:
    """Parses a whole number; 224.0 and 1e3 are whole.

    Raises:
      UserError: the value is not a whole number.
    """
    with_fraction = number(name, value, "not a whole number")
    if re.fullmatch(r"\s*[+-]?\d+\s*", value):
        return int(value)
    if with_fraction != int(with_fraction):
        raise UserError(
            f"--{name}={value} is not a whole number; give {math.floor(with_fraction)} or {math.ceil(with_fraction)}"
        )
    return int(with_fraction)


def number(name: str, value: str, what: str = "not a number") -> float:
    """Parses a number.

    Raises:
      UserError: the value is not a finite number.
    """
    try:
        if "_" in value:  # Python would accept 1_000
            raise ValueError
        found = float(value)
    except ValueError:
        raise UserError(f"--{name}={value} is {what}{_meant_number(value)}") from None
    if not math.isfinite(found):
        raise UserError(f"--{name}={value} is out of range: give a finite number")
    return found


def _meant_number(value: str) -> str:
    """Suggests a number for a value that is not one: "; did you mean 0.5?"."""
    if odd := _odd(value):
        return f": it has {_listed(odd)}; type {_plain(value)}"
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", value):
        return f"; did you mean {value.replace(',', '')}?"
    if re.fullmatch(r"[+-]?\d*,\d+", value):
        return f"; did you mean {value.replace(',', '.')}?"
    if found := re.fullmatch(r"([+-]?\d+(?:\.\d+)?)\s*(%|px|x\s*\1)", value):
        return f"; did you mean {found[1]}?"
    return ""


def nearest_flags(name: str, known: Sequence[str]) -> str:
    """Suggests flags for an unknown one: those that begin with it, else the most similar.

    >>> nearest_flags("training_steps", ["train", "how_many_training_steps"])
    '; did you mean --how_many_training_steps?'
    >>> nearest_flags("version", ["train", "seed"])
    ''
    """
    lower = name.lower()
    common = {flag: _common_words(lower, flag) for flag in known}
    found = [flag for flag in known if name and flag.startswith(lower)]
    found += [flag for flag in known if common[flag] == 1 and flag not in found]
    found = found or difflib.get_close_matches(lower, known, 1, 0.75)
    if not found and common:
        best = max(known, key=lambda flag: (common[flag], difflib.SequenceMatcher(None, lower, flag).ratio()))
        found = [best] if common[best] >= 0.5 else []
    if not found:
        return ""
    *most, last = [f"--{flag}" for flag in found[:_MOST]]
    return f"; did you mean {', '.join(most)} or {last}?" if most else f"; did you mean {last}?"


def nearest_word(word: object, known: Sequence[str]) -> str:
    """Suggests the choice most similar to a word: "; did you mean black?"."""
    close = difflib.get_close_matches(str(word).lower(), known, 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _common_words(name: str, flag: str) -> float:
    """Computes the fraction of the words in a name that a flag also contains."""
    parts = [part for part in name.split("_") if len(part) > 2]
    return sum(any(_same_word(part, other) for other in flag.split("_")) for part in parts) / max(len(parts), 1)


def _same_word(one: str, other: str) -> bool:
    """Returns whether two words differ only in their endings: train and training, label and labels."""
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= 4 and long.startswith(short))


def _bare(value: str) -> str:
    """Removes the quotes that the shell left around a value, and invisible characters at its ends."""
    if len(value) > 2 and all(char == "'" or _is_quote(char) for char in (value[0], value[-1])):
        return value[1:-1]
    ends = [char for char in _odd(value[:1] + value[-1:]) if not _is_quote(char) and not _is_dash(char)]
    return value.strip("".join(ends)) if ends else value


def _odd(text: str) -> list[str]:
    """Lists the typographic characters in a text, each once, in the order found."""
    return list(dict.fromkeys(char for char in text if _plain(char) != char))


def _plain(text: str) -> str:
    """Replaces typographic dashes and spaces by plain ones, and removes quotes and invisible characters."""
    return "".join(_plain_character(char) for char in text)


def _plain_character(char: str) -> str:
    if char.isascii():
        return char
    kind = unicodedata.category(char)
    if _is_dash(char):
        return "-"
    if kind == "Zs":
        return " "
    if kind == "Cf" or _is_quote(char):
        return ""
    return "=" if char == "\uff1d" else char


def _is_quote(char: str) -> bool:
    return unicodedata.category(char) in ("Pi", "Pf") or char in _QUOTES


def _is_dash(char: str) -> bool:
    return not char.isascii() and (unicodedata.category(char) == "Pd" or char in _DASHES)


def _listed(odd: Sequence[str]) -> str:
    """Names the characters: "an em dash (U+2014)"."""
    return " and ".join(f"{_article(_name(char))} (U+{ord(char):04X})" for char in odd)


def _name(char: str) -> str:
    return "single quote" if char == "'" else unicodedata.name(char, "character").lower()


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
