"""Reads a command line into a frozen data class of flags.

`flag_fields` defines flags as fields of a data class; `flag_help` makes the help and the documentation from them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from label_image.errors import UserError
from label_image.flag_fields import (
    Flag,
    check,
    flag,
    flag_fields,
    flag_types,
    from_values,
    groups,
    spec_of,
    values_of,
)
from label_image.spelling import (
    is_number,
    nearest_flags,
    number,
    refuse_empty_value,
    refuse_lone_equals,
    refuse_odd_flag,
    refuse_odd_value,
    whole_number,
)
from label_image.terminal import write

__all__ = [
    "NUMBERS", "Flag", "check", "flag", "flag_fields", "flag_types", "from_values", "groups", "named_as_typed", "parse",
    "spec_of", "values_of",
]  # fmt: skip
T = TypeVar("T")
NUMBERS = (
    tuple[float, ...] | None
)  # the type of a field whose flag takes one or several numbers: 127.5 or 123.7,116.3,103.5
_YES_NO = {"true": "true", "1": "true", "yes": "true", "false": "false", "0": "false", "no": "false"}
_HELP = ("-h", "--h", "-help", "--help")
_HELP_ALL = ("--help_all", "--help-all", "--helpall", "--helpfull", "--help_full", "--help-full")


def parse(cls: type[T], argv: Sequence[str], program: str, words_are: str = "") -> tuple[T, list[str]]:
    """Reads a command line.

    Hyphens may replace underscores. A name must be written in full, because an abbreviation may become ambiguous when a
    flag is added. A switch takes `--name`, `--noname`, `--name=false` and `--name false`. If a flag is given twice, the
    last value counts, so that `$COMMAND --seed 2` can override a value in the command.

    Args:
      cls: a data class whose fields were made by `flag`.
      argv: the words after the program's name.
      program: what the user typed to start it, for `--help`.
      words_are: the flag that receives words without a flag, in the order typed; "" returns them.

    Returns:
      the filled data class, and the words that belong to no flag.

    Raises:
      UserError: a flag is unknown (the nearest is suggested), a value has the wrong type or is out of bounds, or a dash or
        quote is a typographic one.
      SystemExit: after printing what --help, --help_all or --version asked for.
    """
    if any(word in (*_HELP, *_HELP_ALL) for word in argv):
        from label_image.flag_help import full_help_text, help_text

        text_of = full_help_text if any(word in _HELP_ALL for word in argv) else help_text
        write(f"{text_of(cls, program)}\n")
        sys.exit(0)
    if "--version" in argv:
        from label_image.version import program_name, version_text

        write(f"{version_text(program_name(program))}\n")
        sys.exit(0)
    fields = {field.name: field for field in flag_fields(cls)}
    kinds = flag_types(cls)
    with named_as_typed(cls, argv):
        typed, rest = _typed(argv, fields, kinds, words_are)
        given: dict[str, Any] = {}
        for name, value in typed:
            many = fields[name].default == ()
            given[name] = (*given.get(name, ()), value) if many else _value(value, kinds[name])
        return from_values(cls, given), rest


@contextlib.contextmanager
def named_as_typed(cls: type, argv: Sequence[str]) -> Iterator[None]:
    """Lets an error that is raised inside name each flag as the user typed it: with hyphens, or by its alternative name.

    Args:
      cls: a data class of flags.
      argv: the words after the program's name.
    """
    try:
        yield
    except UserError as error:
        names = _typed_names(cls, argv)
        if names:
            pattern = re.compile(rf"--({'|'.join(map(re.escape, names))})(?![A-Za-z0-9_-])")
            error.reword(lambda text: pattern.sub(lambda found: f"--{names[found[1]]}", text))
        raise


def _typed_names(cls: type, argv: Sequence[str]) -> dict[str, str]:
    """Maps the names by which an error may call a flag to the name that the user typed, where they differ."""
    fields = {field.name: field for field in flag_fields(cls)}
    names: dict[str, str] = {}
    for word in itertools.takewhile(lambda word: word != "--", argv):
        typed, _, value = word.lstrip("-").partition("=")
        found = _known_name(typed.replace("-", "_"), fields) if word.startswith("-") else None
        if found is None:
            continue
        name, negated = found
        if negated:
            names[f"no{name}"] = typed
        elif isinstance(fields[name].default, bool):
            names |= {name: typed, f"no{name}": word.lstrip("-") if _YES_NO.get(value) == "false" else f"no{typed}"}
        else:
            names |= {each: typed for each in (name, spec_of(fields[name]).also) if each}
    return {name: typed for name, typed in names.items() if name != typed}


def _typed(
    argv: Sequence[str], fields: dict[str, dataclasses.Field[Any]], kinds: dict[str, Any], words_are: str
) -> tuple[list[tuple[str, str]], list[str]]:
    """Separates the flags on a command line, each with its value as text, from the words that belong to no flag."""
    typed: list[tuple[str, str]] = []
    rest: list[str] = []

    def word_alone(word: str) -> None:
        if words_are:
            typed.append((words_are, word))
        else:
            rest.append(word)

    words = list(argv)
    while words:
        word = words.pop(0)
        if word == "--":
            for behind in words:
                word_alone(behind)
            break
        refuse_odd_flag(word, list(fields))
        if not word.startswith("-") or word == "-" or is_number(word):
            word_alone(word)
            continue
        typed.append(_flag_typed(word, words, fields, kinds))
    return typed, rest


def _flag_typed(
    word: str, following: list[str], fields: dict[str, dataclasses.Field[Any]], kinds: dict[str, Any]
) -> tuple[str, str]:
    """Reads one flag and its value, which is removed from the following words if it stands there."""
    name, equals, value = word.lstrip("-").partition("=")
    name, negated = _full_name(name.replace("-", "_"), fields)
    kind = kinds[name]
    if negated:
        if equals:
            raise UserError(f"{word}: --no{name} takes no value; leave the value out")
        return name, "false"
    if kind is bool:
        if not equals:
            value = following.pop(0) if following and following[0].lower() in _YES_NO else "true"
    elif equals:
        if not value:
            refuse_empty_value(name, following)
    elif following:
        value = following.pop(0)
        refuse_lone_equals(name, value, following)
    else:
        raise UserError(f"--{name} needs a value, and none follows it")
    return name, _as_kind(name, value, kind)


def _full_name(name: str, fields: dict[str, dataclasses.Field[Any]]) -> tuple[str, bool]:
    """Returns the full name of a flag, and whether `name` is its negation."""
    found = _known_name(name, fields)
    if found is None:
        raise UserError(f"unknown flag --{name}{nearest_flags(name, list(fields))} (--help lists them all)")
    return found


def _known_name(name: str, fields: dict[str, dataclasses.Field[Any]]) -> tuple[str, bool] | None:
    """Returns the full name of a flag and whether `name` is its negation, or None for an unknown name."""
    name = {spec_of(field).also: field.name for field in fields.values() if spec_of(field).also}.get(name, name)
    if name in fields:
        return name, False
    if name.startswith("no") and name[2:] in fields and isinstance(fields[name[2:]].default, bool):
        return name[2:], True
    return None


def _as_kind(name: str, value: str, kind: Any) -> str:
    """Checks a value and returns it as text for `_value`.

    Raises:
      UserError: the value does not have the flag's type.
    """
    refuse_odd_value(name, value)
    if kind is bool:
        if value.lower() not in _YES_NO:
            raise UserError(f"--{name}={value} is neither true nor false; write --{name} or --no{name}")
        return _YES_NO[value.lower()]
    if kind in (int, int | None):
        return str(whole_number(name, value))
    if kind in (float, float | None):
        return repr(number(name, value))
    if kind == NUMBERS:
        return ",".join(repr(number(name, part)) for part in value.split(","))
    return value


def _value(text: str, kind: Any) -> Any:
    """Converts the text from `_as_kind` to a value of its flag's type."""
    if kind is bool:
        return text == "true"
    if kind in (int, int | None):
        return int(text)
    if kind == NUMBERS:
        return tuple(float(part) for part in text.split(","))
    return float(text) if kind in (float, float | None) else text
