"""Sizes as a layer's config tells them, as tuples of ints."""

from __future__ import annotations

from typing import Any


def pair(value: Any) -> tuple[int, int]:
    """(rows, columns) of one number or two.

    >>> pair(2), pair([1, 3])
    ((2, 2), (1, 3))
    """
    rows, columns = value if isinstance(value, (list, tuple)) else (value, value)
    return int(rows), int(columns)


def four(value: Any) -> list[int]:
    """Strides as TensorFlow takes them: of batch, rows, columns and channels."""
    return [1, *pair(value), 1]


def pairs(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) of one number, two or four.

    >>> pairs(1), pairs([1, 2]), pairs([[0, 1], [0, 1]])
    (((1, 1), (1, 1)), ((1, 1), (2, 2)), ((0, 1), (0, 1)))
    """
    rows, columns = value if isinstance(value, (list, tuple)) else (value, value)
    return pair(rows), pair(columns)


def numbers(value: Any) -> Any:
    """A number or a list of them, however Keras has wrapped it."""
    if isinstance(value, dict):
        inside = value.get("config", value)
        return numbers(inside["value"] if isinstance(inside, dict) else inside)
    return value


def channels_last(config: dict[str, Any]) -> None:
    """Refuses the order of axes that TensorFlow computes on a GPU only.

    Raises:
      ValueError: if it is asked for.
    """
    if config.get("data_format") == "channels_first":
        raise ValueError("channels first is not read here")
