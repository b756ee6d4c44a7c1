"""Defines command-line flags as the fields of frozen data classes.

A flag is defined once, as a field: `steps: int = flag(4000, "Training steps.", minimum=0)`. The parser (`flags`), the help
and the documentation tables (`flag_help`) all take the type, default, bounds and help from that field. A class may have
groups: fields whose type is itself a data class of flags, with a title for the help.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from label_image.errors import UserError
from label_image.spelling import nearest_word

T = TypeVar("T")


class DataclassInstance(Protocol):
    """An instance of any data class."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


@dataclasses.dataclass(frozen=True)
class Flag:
    """What the command line needs to know about a field besides its name, type and default."""

    help: str
    minimum: float | None = None  # inclusive
    maximum: float | None = None  # inclusive
    choices: tuple[str, ...] = ()
    besides: float | None = None  # a value that is allowed although it is out of bounds
    also: str = ""  # an alternative name
    common: bool = False  # whether --help explains it, and not only names it
    group: str = ""  # the title under which the help lists it, in a class that has no groups


def flag(
    default: Any,
    text: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
    besides: float | None = None,
    also: str = "",
    common: bool = False,
    group: str = "",
) -> Any:
    """A data class field that is a command-line flag.

    Args:
      default: str, int, float, bool, None (an optional flag) or () (a flag that may be given several times).
      text: one or two sentences for `--help`.
      minimum: smallest value allowed.
      maximum: largest value allowed.
      choices: the words allowed.
      besides: a value that is allowed although it is out of bounds, such as -1 for all.
      also: an alternative name; "" means none.
      common: whether `--help` explains the flag; the other flags are explained by `--help_all`.
      group: the title under which the help lists it, in a class that has no groups.
    """
    spec = Flag(text, minimum, maximum, tuple(choices), besides, also, common, group)
    return dataclasses.field(default=default, metadata={"flag": spec})


@functools.cache
def groups(cls: type) -> tuple[tuple[str, type], ...]:
    """Lists the groups of flags as (field name, class): the fields of `cls` whose type is itself a data class of flags."""
    others = [field.name for field in dataclasses.fields(cls) if "flag" not in field.metadata]
    if not others:
        return ()
    hints = typing.get_type_hints(cls)
    return tuple((name, hints[name]) for name in others if dataclasses.is_dataclass(hints[name]))


def flag_fields(cls: type) -> list[dataclasses.Field[Any]]:
    """Lists the fields of `cls` and of its groups that are flags, in the order of their definition."""
    inner = [field for _, one in groups(cls) for field in flag_fields(one)]
    return [*inner, *_own_flags(cls)]


def sections(cls: type) -> dict[str, list[dataclasses.Field[Any]]]:
    """Lists the flags under the titles of their groups; flags without a group are under ""."""
    found: dict[str, list[dataclasses.Field[Any]]] = {}
    for _, inner in groups(cls):
        found.setdefault(getattr(inner, "title", inner.__name__), []).extend(flag_fields(inner))
    for field in _own_flags(cls):
        found.setdefault(spec_of(field).group, []).append(field)
    return found


def spec_of(field: dataclasses.Field[Any]) -> Flag:
    """Returns what `flag` was told about a field."""
    spec: Flag = field.metadata["flag"]
    return spec


def flag_types(cls: type) -> dict[str, Any]:
    """Maps each flag's name to its type."""
    found: dict[str, Any] = {}
    for _, inner in groups(cls):
        found |= typing.get_type_hints(inner)
    return found | typing.get_type_hints(cls)


def from_values(cls: type[T], values: Mapping[str, Any]) -> T:
    """Makes a data class of flags from the values of some flags, whichever group they belong to.

    Raises:
      TypeError: a name is not one of its flags.
    """
    left = dict(values)
    made: dict[str, Any] = {}
    whole: type = cls
    for name, inner in groups(whole):
        made[name] = inner(**{each.name: left.pop(each.name) for each in flag_fields(inner) if each.name in left})
    return cls(**made, **left)


def values_of(options: DataclassInstance) -> dict[str, Any]:
    """Maps each flag's name to its value, whichever group it belongs to."""
    found: dict[str, Any] = {}
    for name, _ in groups(type(options)):
        found |= values_of(getattr(options, name))
    return found | {field.name: getattr(options, field.name) for field in _own_flags(type(options))}


def check(options: DataclassInstance) -> None:
    """Checks each field of a data class of flags against its bounds.

    Raises:
      UserError: a value is not allowed; the message names the flag, the value and the allowed values.
    """
    for field in flag_fields(type(options)):
        spec = spec_of(field)
        value = getattr(options, field.name)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, (int, float)) and not isinstance(each, bool):
                _check_bounds(field.name, each, spec)
        if spec.choices and value not in spec.choices:
            raise UserError(
                f"--{field.name}={value} is not one of {', '.join(filter(None, spec.choices))}{nearest_word(value, spec.choices)}"
            )


def _own_flags(cls: type) -> list[dataclasses.Field[Any]]:
    """Lists the fields of `cls` itself that are flags."""
    return [field for field in dataclasses.fields(cls) if "flag" in field.metadata]


def _check_bounds(name: str, value: float, spec: Flag) -> None:
    low, high = spec.minimum, spec.maximum
    if value == spec.besides:
        return
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        bounds = (
            f"{_shown(low)} or more"
            if low is not None and high is None
            else f"{_shown(high)} or less"
            if high is not None and low is None
            else f"{_shown(low)} to {_shown(high)}"
        )
        more = "" if spec.besides is None else f", or {_shown(spec.besides)}"
        raise UserError(f"--{name}={value} is out of range: give {bounds}{more}")


def _shown(bound: float | None) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"
