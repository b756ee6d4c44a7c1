"""Parses the sizes in a layer's config into tuples of ints."""

from __future__ import annotations

from typing import Any


def pair(value: Any) -> tuple[int, int]:
    """Returns (rows, columns) from one number or two.

    >>> pair(2), pair([1, 3])
    ((2, 2), (1, 3))
    """
    rows, columns = value if isinstance(value, (list, tuple)) else (value, value)
    return int(rows), int(columns)


def four(value: Any) -> list[int]:
    """Returns strides as TensorFlow takes them: for batch, rows, columns and channels."""
    return [1, *pair(value), 1]


def pairs(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns ((top, bottom), (left, right)) from one number, two or four.

    >>> pairs(1), pairs([1, 2]), pairs([[0, 1], [0, 1]])
    (((1, 1), (1, 1)), ((1, 1), (2, 2)), ((0, 1), (0, 1)))
    """
    rows, columns = value if isinstance(value, (list, tuple)) else (value, value)
    return pair(rows), pair(columns)


def numbers(value: Any) -> Any:
    """Unwraps a number or a list of numbers that Keras may have wrapped in a dictionary."""
    if isinstance(value, dict):
        inside = value.get("config", value)
        return numbers(inside["value"] if isinstance(inside, dict) else inside)
    return value


def channels_last(config: dict[str, Any]) -> None:
    """Refuses channels first, which TensorFlow supports only on a GPU.

    Raises:
      ValueError: if the config asks for it.
    """
    if config.get("data_format") == "channels_first":
        raise ValueError("channels first is not supported")
