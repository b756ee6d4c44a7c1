"""The row of the table of layers: how a layer is built, and which arrays it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Use:
    """One use of a layer: what a row builds from."""

    tf: Any
    keras_3: bool  # some words changed their meaning with Keras 3
    config: dict[str, Any]
    arrays: list[Any]  # the layer's own, as constants
    inputs: list[Any]  # tensors


Build = Callable[[Use], Any]


@dataclass(frozen=True)
class Kind:
    """A row.

    Args:
      build: a use -> its output.
      arrays: config -> one True for each array that is trained, one False for each that is not, in Keras's order.
    """

    build: Build
    arrays: Callable[[dict[str, Any]], tuple[bool, ...]] = lambda _: ()
