"""Defines an entry of the table of layer kinds: how a layer is built, and which arrays it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Use:
    """One use of a layer in a network: all that its builder needs."""

    tf: Any
    keras_3: bool  # some names have another meaning in Keras 3
    config: dict[str, Any]
    arrays: list[Any]  # the arrays of the layer, as constants
    inputs: list[Any]  # tensors


Build = Callable[[Use], Any]


@dataclass(frozen=True)
class LayerKind:
    """A kind of layer.

    Args:
      build: computes the output of a use.
      arrays: from the config, True for each trained array and False for each other one, in the order of Keras.
    """

    build: Build
    arrays: Callable[[dict[str, Any]], tuple[bool, ...]] = lambda _: ()
