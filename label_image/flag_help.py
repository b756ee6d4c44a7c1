"""Makes the texts of --help and --help_all, and the tables of docs/flags.md, from a data class of flags.

Both begin with the flags that most users need, those with `common=True`; the others follow by concern. A class without
common flags has one help: all its flags.
"""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from typing import Any

from label_image.flag_fields import flag_fields, sections, spec_of

COMMON = "Most used"
_WIDTH = 100
_ENDING = "Write each flag's name in full; if a flag is given twice, the last value counts."


def help_text(cls: type, program: str) -> str:
    """Makes the text of `--help`: the class's docstring, the most used flags with their meaning, the names of the others."""
    common = [field for field in flag_fields(cls) if spec_of(field).common]
    if not common:
        return full_help_text(cls, program)
    lines = [*_begin(cls, program)]
    for field in common:
        lines += _explained(field)
    lines += ["", f"Further flags, explained by {program} --help_all:", ""]
    for title, fields in _others(cls).items():
        names = ", ".join(_name(field) for field in fields)
        lines += [f"  {title}:" if title else "  Others:"]
        lines += textwrap.wrap(
            names, _WIDTH, initial_indent="      ", subsequent_indent="      ", break_on_hyphens=False
        )
    return "\n".join([*lines, "", _ENDING])


def full_help_text(cls: type, program: str) -> str:
    """Makes the text of `--help_all`: the class's docstring, then each flag with its default and meaning, by concern."""
    lines = [*_begin(cls, program)]
    for title, fields in _ordered(cls).items():
        if title:
            lines += [*([] if lines[-1] == "" else [""]), f"{title}:", ""]
        for field in fields:
            lines += _explained(field)
    return "\n".join([*lines, "", _ENDING])


def markdown_table(cls: type) -> str:
    """Makes Markdown tables of the flags, one for each concern: name, default, meaning."""
    parts: list[str] = []
    for title, fields in _ordered(cls).items():
        rows = [f"### {title}", ""] if title else []
        rows += ["| flag | default | meaning |", "|---|---|---|"]
        for field in fields:
            meaning = _meaning(field).replace("|", "\\|")
            rows.append(f"| `--{field.name}` | `{_shown(field.default)}` | {meaning} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def _ordered(cls: type) -> dict[str, list[dataclasses.Field[Any]]]:
    """Lists the flags under the titles of the help, the most used ones first."""
    common = [field for field in flag_fields(cls) if spec_of(field).common]
    return {COMMON: common, **_others(cls)} if common else _others(cls)


def _others(cls: type) -> dict[str, list[dataclasses.Field[Any]]]:
    """Lists the flags that are not among the most used ones, under the titles of their groups."""
    found = {title: [field for field in fields if not spec_of(field).common] for title, fields in sections(cls).items()}
    return {title: fields for title, fields in found.items() if fields}


def _begin(cls: type, program: str) -> list[str]:
    return [f"usage: {program} [--flag=value ...]", "", inspect.cleandoc(cls.__doc__ or ""), ""]


def _explained(field: dataclasses.Field[Any]) -> list[str]:
    """Makes the lines of one flag: its name and default, then its meaning."""
    first = f"  {_name(field)}  (default: {_shown(field.default)})"
    return [first, *textwrap.wrap(_meaning(field), _WIDTH, initial_indent="      ", subsequent_indent="      ")]


def _name(field: dataclasses.Field[Any]) -> str:
    return f"--[no]{field.name}" if isinstance(field.default, bool) else f"--{field.name}"


def _meaning(field: dataclasses.Field[Any]) -> str:
    """Makes the text about a flag: its help, its choices and its bounds."""
    spec = spec_of(field)
    parts = [spec.help]
    if spec.choices:
        parts.append(f"One of: {', '.join(filter(None, spec.choices))}.")
    if bounds := _bounds(spec.minimum, spec.maximum):
        parts.append(f"{bounds}." if spec.besides is None else f"{bounds}, or {_number(spec.besides)}.")
    return " ".join(parts)


def _bounds(low: float | None, high: float | None) -> str:
    """Describes the allowed numbers in words: "Allowed: 0 to 99"."""
    if low is not None and high is not None:
        return f"Allowed: {_number(low)} to {_number(high)}"
    if low is not None:
        return f"Allowed: {_number(low)} or more"
    return "" if high is None else f"Allowed: {_number(high)} or less"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _shown(default: Any) -> str:
    if default is None or default in ((), ""):
        return "none"
    return str(default).lower() if isinstance(default, bool) else str(default)
