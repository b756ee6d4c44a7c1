"""A frozen data class in, its command line out: flags, help text, and the table of the documents.

A flag is defined once, as a field: `steps: int = flag(4000, "Training steps.", minimum=0)`. Its type, default, bounds and
help are read off that field by the parser (absl, with FlagValues of its own), by `--help` and by `docs/flags.md`.
"""

from __future__ import annotations

import dataclasses
import difflib
import sys
import textwrap
import typing
from collections.abc import Sequence
from typing import Any, TypeVar

from label_image.errors import UserError
from label_image.screen import write

T = TypeVar("T")
_YES_NO = {"true": "true", "1": "true", "yes": "true", "false": "false", "0": "false", "no": "false"}


@dataclasses.dataclass(frozen=True)
class Flag:
    """What the command line must know of a field beside its name, type and default."""

    help: str
    minimum: float | None = None  # inclusive
    maximum: float | None = None  # inclusive
    choices: tuple[str, ...] = ()


def flag(
    default: Any, text: str, *, minimum: float | None = None, maximum: float | None = None, choices: Sequence[str] = ()
) -> Any:
    """A data class field that is a command-line flag.

    Args:
      default: str, int, float, bool, None (a flag that may be left out) or () (one that may be given many times).
      text: one or two sentences for `--help`.
      minimum: smallest value allowed.
      maximum: largest value allowed.
      choices: the words allowed.
    """
    return dataclasses.field(default=default, metadata={"flag": Flag(text, minimum, maximum, tuple(choices))})


def parse(cls: type[T], argv: Sequence[str], program: str, words_are: str = "") -> tuple[T, list[str]]:
    """Reads a command line.

    Hyphens may stand for underscores, and a unique beginning for the whole name, as argparse allowed the original's
    users. A switch takes `--name`, `--noname`, `--name=false` and `--name false`.

    Args:
      cls: a data class whose fields were made by `flag`.
      argv: the words behind the program's name.
      program: what the user typed to start it, for `--help`.
      words_are: the flag that words without one belong to, in the order typed; "" leaves them over.

    Returns:
      the data class filled in, and the words that belong to no flag.

    Raises:
      UserError: an unknown flag (the nearest is named), a value of the wrong type or out of bounds.
      SystemExit: after printing the help that was asked for.
    """
    if any(word in ("-h", "--h", "-help", "--help", "--helpfull", "--help_full") for word in argv):
        write(f"{help_text(cls, program)}\n")
        sys.exit(0)
    from absl import flags as absl_flags

    values = absl_flags.FlagValues()
    fields = {field.name: field for field in flag_fields(cls)}
    kinds = typing.get_type_hints(cls)
    for field in fields.values():
        _define(absl_flags, values, field, kinds[field.name])
    try:
        rest = values([program, *_spelled_out(argv, cls, words_are)])[1:]
    except absl_flags.Error as error:
        raise UserError(_one_line(error)) from None
    return cls(**{name: _value(values[name].value) for name in fields}), list(rest)


def check(plan: Any) -> None:
    """Checks each field of a data class of flags against its bounds.

    Raises:
      UserError: naming the flag, the value found and the values allowed.
    """
    for field in flag_fields(type(plan)):
        spec: Flag = field.metadata["flag"]
        value = getattr(plan, field.name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            _check_bounds(field.name, value, spec)
        if spec.choices and value not in spec.choices:
            raise UserError(
                f"--{field.name}={value} is not one of {', '.join(spec.choices)}{_nearest(value, spec.choices)}"
            )


def help_text(cls: type, program: str) -> str:
    """The text of `--help`: the class's docstring, then each flag with its default."""
    lines = [f"usage: {program} [--flag=value ...]", "", textwrap.dedent(cls.__doc__ or "").strip(), ""]
    for field in flag_fields(cls):
        name = f"--[no]{field.name}" if isinstance(field.default, bool) else f"--{field.name}"
        lines.append(f"  {name}  (default: {_shown(field.default)})")
        lines += textwrap.wrap(_help(field), 100, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def markdown_table(cls: type) -> str:
    """The flags as a Markdown table: name, default, meaning."""
    rows = ["| flag | default | meaning |", "|---|---|---|"]
    for field in flag_fields(cls):
        meaning = _help(field).replace("|", "\\|")
        rows.append(f"| `--{field.name}` | `{_shown(field.default)}` | {meaning} |")
    return "\n".join(rows)


def flag_fields(cls: type) -> list[dataclasses.Field[Any]]:
    """The fields of `cls` that are flags, in the order they are written."""
    return [field for field in dataclasses.fields(cls) if "flag" in field.metadata]


def _define(absl_flags: Any, values: Any, field: dataclasses.Field[Any], kind: Any) -> None:
    text = field.metadata["flag"].help
    if field.default == ():
        absl_flags.DEFINE_multi_string(field.name, [], text, flag_values=values)
    elif kind is bool:
        absl_flags.DEFINE_boolean(field.name, field.default, text, flag_values=values)
    elif kind in (int, int | None):
        absl_flags.DEFINE_integer(field.name, field.default, text, flag_values=values)
    elif kind in (float, float | None):
        absl_flags.DEFINE_float(field.name, field.default, text, flag_values=values)
    else:
        absl_flags.DEFINE_string(field.name, field.default, text, flag_values=values)


def _spelled_out(argv: Sequence[str], cls: type, words_are: str = "") -> list[str]:
    """The same words with each flag's name in full, as absl wants them."""
    owner = f"--{words_are}=" if words_are else ""
    switches = {field.name: isinstance(field.default, bool) for field in flag_fields(cls)}
    words = list(argv)
    result: list[str] = []
    while words:
        word = words.pop(0)
        if word == "--":
            return [*result, *(owner + word for word in words)] if owner else [*result, "--", *words]
        if not word.startswith("-") or word == "-" or _is_number(word):
            result.append(owner + word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        name, negated = _full_name(name.replace("-", "_"), switches)
        if negated:
            if equals:
                raise UserError(f"{word}: --no{name} takes no value; leave the value out")
            result.append(f"--no{name}")
        elif switches[name]:
            if not equals and words and words[0].lower() in _YES_NO:
                value, equals = _YES_NO[words.pop(0).lower()], "="
            result.append(f"--{name}={_YES_NO.get(value.lower(), value)}" if equals else f"--{name}")
        else:
            if not equals and not words:
                raise UserError(f"--{name} needs a value, and none follows it")
            result.append(f"--{name}={value if equals else words.pop(0)}")
    return result


def _full_name(name: str, switches: dict[str, bool]) -> tuple[str, bool]:
    """(the flag meant by `name`, whether its negation was)."""
    if name in switches:
        return name, False
    if name.startswith("no") and switches.get(name[2:]):
        return name[2:], True
    starts = [known for known in switches if name and known.startswith(name)]
    if len(starts) == 1:
        return starts[0], False
    if starts:
        raise UserError(f"--{name} could mean {', '.join('--' + start for start in starts)}: write more of the name")
    raise UserError(f"unknown flag --{name}{_nearest(name, list(switches), '--')} (--help lists them all)")


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


def _nearest(word: str, known: Sequence[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(str(word).lower(), known, 1, 0.5)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


def _help(field: dataclasses.Field[Any]) -> str:
    spec: Flag = field.metadata["flag"]
    return f"{spec.help} One of: {', '.join(spec.choices)}." if spec.choices else spec.help


def _shown(default: Any) -> str:
    if default is None or default in ((), ""):
        return "none"
    return str(default).lower() if isinstance(default, bool) else str(default)


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
