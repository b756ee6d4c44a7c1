"""Validates the fields of the metadata in an exported file, and converts them to the types that Metadata has.

An impossible value is an error that names the field and the value, because a network whose input is prepared wrongly returns
wrong scores without any sign. A value that the user typed for that field replaces it, and this is reported.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

_MOST_PX = 100_000
_LONGEST = 80  # characters of a value that a message shows
_ORDERS = ("RGB", "BGR", "grey")
_LAYOUTS = ("NHWC", "NCHW", "NHW", "flat")
_DTYPES = ("float32", "float16", "float64", "uint8", "int8", "int16", "int32", "int64", "string")
_OUTPUTS = ("probabilities", "sigmoid", "logits", "as is")


def validated(fields: Mapping[str, Any], typed: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Validates all fields of a document.

    Args:
      fields: the document; unknown fields are ignored.
      typed: field -> the value that the user typed, which replaces an impossible one.

    Returns:
      field -> its value, for each known field in the document; and field -> what was wrong, for each one that was replaced.

    Raises:
      ValueError: a field is missing or impossible; the message names it, its value and the rule.
    """
    values: dict[str, Any] = {}
    replaced: dict[str, str] = {}
    for name, (read, rule) in _RULES.items():
        if name not in fields and name in _OPTIONAL:
            continue
        try:
            values[name] = read(fields[name]) if name in fields else _refuse()
            _check_together(name, values)
        except (TypeError, ValueError, OverflowError):
            found = _shown(fields[name]) if name in fields else "missing"
            if name not in typed:
                raise ValueError(f"its {name} is {found}; it must be {rule}") from None
            values[name], replaced[name] = typed[name], found
    return values, replaced


def _check_together(name: str, values: Mapping[str, Any]) -> None:
    """Refuses what is impossible because of an earlier field."""
    channels = 1 if values.get("order", "RGB") == "grey" else 3
    if name in ("mean", "std") and len(values[name]) not in (1, channels):
        _refuse()
    if name in ("height_px", "width_px") and values[name] == 0 and values.get("dtype") != "string":
        _refuse()


def _refuse() -> NoReturn:
    raise ValueError


def _shown(value: Any) -> str:
    """Formats a value for a message, on one line and not too long."""
    text = json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _word(*known: str) -> Callable[[Any], str]:
    return lambda value: value if isinstance(value, str) and value in known else _refuse()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _refuse()


def _whole_number(most: float) -> Callable[[Any], int]:
    return lambda value: value if type(value) is int and 0 <= value <= most else _refuse()


def _numbers(value: Any, lowest: float = -math.inf) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(type(number) in (int, float) for number in value):
        _refuse()
    numbers = tuple(float(number) for number in value)
    return numbers if all(lowest < number < math.inf for number in numbers) else _refuse()


def _positive_numbers(value: Any) -> tuple[float, ...]:
    return _numbers(value, lowest=0.0)


def _labels(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(label, str) and label for label in value):
        _refuse()
    repeated = [label for label, count in Counter(value).items() if count > 1]
    return _refuse() if repeated else tuple(value)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else _refuse()


_PX = f"a whole number of pixels from 1 to {_MOST_PX:,}"
_OPTIONAL = ("order", "layout", "dtype", "crop_px", "output", "outputs")
# field -> how it is read, and the rule for messages. Fields on which the check of another depends come first.
_RULES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "order": (_word(*_ORDERS), f"one of {', '.join(_ORDERS)}"),
    "layout": (_word(*_LAYOUTS), f"one of {', '.join(_LAYOUTS)}"),
    "dtype": (_word(*_DTYPES), f"one of {', '.join(_DTYPES)}"),
    "labels": (_labels, "a list of different names, none of them empty"),
    "height_px": (_whole_number(_MOST_PX), _PX),
    "width_px": (_whole_number(_MOST_PX), _PX),
    "mean": (_numbers, "a list of one finite number, or one for each channel"),
    "std": (_positive_numbers, "a list of one finite number above 0, or one for each channel"),
    "input_layer": (_text, "text"),
    "output_layer": (_text, "text"),
    "training": (_mapping, "an object"),
    "crop_px": (_whole_number(_MOST_PX), f"a whole number of pixels from 0 to {_MOST_PX:,}"),
    "output": (_word(*_OUTPUTS), f"one of {', '.join(_OUTPUTS)}"),
    "outputs": (_whole_number(math.inf), "a whole number from 0 on"),
}
