"""Makes a command line from a frozen data class: its flags, help text and documentation table.

A flag is defined once, as a field: `steps: int = flag(4000, "Training steps.", minimum=0)`. The parser,
`--help` and `docs/flags.md` all take the type, default, bounds and help from that field.
"""

from __future__ import annotations

import dataclasses
import sys
import textwrap
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from label_image.errors import UserError
from label_image.spelling import (
    is_number,
    nearest_flags,
    nearest_word,
    number,
    refuse_empty_value,
    refuse_lone_equals,
    refuse_odd_flag,
    refuse_odd_value,
    whole_number,
)
from label_image.terminal import write

T = TypeVar("T")
NUMBERS = (
    tuple[float, ...] | None
)  # the type of a field whose flag takes one or several numbers: 127.5 or 123.7,116.3,103.5
_YES_NO = {"true": "true", "1": "true", "yes": "true", "false": "false", "0": "false", "no": "false"}


@dataclasses.dataclass(frozen=True)
class Flag:
    """What the command line needs to know about a field besides its name, type and default."""

    help: str
    minimum: float | None = None  # inclusive
    maximum: float | None = None  # inclusive
    choices: tuple[str, ...] = ()
    also: str = ""  # an alternative name


def flag(
    default: Any,
    text: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
    also: str = "",
) -> Any:
    """A data class field that is a command-line flag.

    Args:
      default: str, int, float, bool, None (an optional flag) or () (a flag that may be given several times).
      text: one or two sentences for `--help`.
      minimum: smallest value allowed.
      maximum: largest value allowed.
      choices: the words allowed.
      also: an alternative name; "" means none.
    """
    return dataclasses.field(default=default, metadata={"flag": Flag(text, minimum, maximum, tuple(choices), also)})


def groups(cls: type) -> list[tuple[str, type]]:
    """Lists the groups of flags as (field name, class): the fields of `cls` whose type is itself a data class of flags."""
    hints = typing.get_type_hints(cls)
    return [
        (field.name, hints[field.name])
        for field in dataclasses.fields(cls)
        if dataclasses.is_dataclass(hints[field.name])
    ]


def from_values(cls: type[T], values: Mapping[str, Any]) -> T:
    """Makes a data class of flags from the values of some flags, whichever group they belong to.

    Raises:
      TypeError: a name is not one of its flags.
    """
    left = dict(values)
    made: dict[str, Any] = {}
    for name, inner in groups(cls):
        made[name] = inner(**{each.name: left.pop(each.name) for each in flag_fields(inner) if each.name in left})
    return cls(**made, **left)


def values_of(options: Any) -> dict[str, Any]:
    """Maps each flag's name to its value, whichever group it belongs to."""
    found = {
        name: value for inner, _ in groups(type(options)) for name, value in values_of(getattr(options, inner)).items()
    }
    own = [field.name for field in dataclasses.fields(options) if "flag" in field.metadata]
    return found | {name: getattr(options, name) for name in own}


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
      SystemExit: after printing what --help or --version asked for.
    """
    if any(word in ("-h", "--h", "-help", "--help", "--helpfull", "--help_full") for word in argv):
        write(f"{help_text(cls, program)}\n")
        sys.exit(0)
    if "--version" in argv:
        from label_image.version import program_name, version_text

        write(f"{version_text(program_name(program))}\n")
        sys.exit(0)
    fields = {field.name: field for field in flag_fields(cls)}
    kinds = flag_types(cls)
    typed, rest = _typed(argv, fields, kinds, words_are)
    given: dict[str, Any] = {}
    for name, value in typed:
        many = fields[name].default == ()
        given[name] = (*given.get(name, ()), value) if many else _value(value, kinds[name])
    return from_values(cls, given), rest


def check(plan: Any) -> None:
    """Checks each field of a data class of flags against its bounds.

    Raises:
      UserError: a value is not allowed; the message names the flag, the value and the allowed values.
    """
    for field in flag_fields(type(plan)):
        spec: Flag = field.metadata["flag"]
        value = getattr(plan, field.name)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, (int, float)) and not isinstance(each, bool):
                _check_bounds(field.name, each, spec)
        if spec.choices and value not in spec.choices:
            raise UserError(
                f"--{field.name}={value} is not one of {', '.join(filter(None, spec.choices))}{nearest_word(value, spec.choices)}"
            )


def help_text(cls: type, program: str) -> str:
    """Makes the text of `--help`: the class's docstring, then each flag with its default."""
    lines = [f"usage: {program} [--flag=value ...]", "", textwrap.dedent(cls.__doc__ or "").strip(), ""]
    for field in flag_fields(cls):
        name = f"--[no]{field.name}" if isinstance(field.default, bool) else f"--{field.name}"
        lines.append(f"  {name}  (default: {_shown(field.default)})")
        lines += textwrap.wrap(_help(field), 100, initial_indent="      ", subsequent_indent="      ")
    lines += ["", "Write each flag's name in full; if a flag is given twice, the last value counts."]
    return "\n".join(lines)


def markdown_table(cls: type) -> str:
    """Makes a Markdown table of the flags: name, default, meaning."""
    rows = ["| flag | default | meaning |", "|---|---|---|"]
    for field in flag_fields(cls):
        meaning = _help(field).replace("|", "\\|")
        rows.append(f"| `--{field.name}` | `{_shown(field.default)}` | {meaning} |")
    return "\n".join(rows)


def flag_fields(cls: type) -> list[dataclasses.Field[Any]]:
    """Lists the fields of `cls` and of its groups that are flags, in the order of their definition."""
    inner = [field for _, one in groups(cls) for field in flag_fields(one)]
    return [*inner, *(field for field in dataclasses.fields(cls) if "flag" in field.metadata)]


def flag_types(cls: type) -> dict[str, Any]:
    """Maps each flag's name to its type."""
    found: dict[str, Any] = {}
    for _, inner in groups(cls):
        found |= typing.get_type_hints(inner)
    return found | typing.get_type_hints(cls)


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
    name = {field.metadata["flag"].also: field.name for field in fields.values()}.get(name, name)
    if name in fields:
        return name, False
    if name.startswith("no") and name[2:] in fields and isinstance(fields[name[2:]].default, bool):
        return name[2:], True
    raise UserError(f"unknown flag --{name}{nearest_flags(name, list(fields))} (--help lists them all)")


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


def _check_bounds(name: str, value: float, spec: Flag) -> None:
    low, high = spec.minimum, spec.maximum
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        bounds = (
            f"{low:g} to {high:g}"
            if None not in (low, high)
            else f"{low:g} or more"
            if high is None
            else f"{high:g} or less"
        )
        raise UserError(f"--{name}={value} is out of range: give {bounds}")


def _help(field: dataclasses.Field[Any]) -> str:
    spec: Flag = field.metadata["flag"]
    return f"{spec.help} One of: {', '.join(filter(None, spec.choices))}." if spec.choices else spec.help


def _shown(default: Any) -> str:
    if default is None or default in ((), ""):
        return "none"
    return str(default).lower() if isinstance(default, bool) else str(default)


def _value(text: str, kind: Any) -> Any:
    """Converts the text from `_as_kind` to a value of its flag's type."""
    if kind is bool:
        return text == "true"
    if kind in (int, int | None):
        return int(text)
    if kind == NUMBERS:
        return tuple(float(part) for part in text.split(","))
    return float(text) if kind in (float, float | None) else text
