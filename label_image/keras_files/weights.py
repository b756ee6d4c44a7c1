"""Assigns the arrays of a Keras file to its layers, by the rules that Keras follows when it writes them.

A zip names arrays by path: the kind of layer in snake case, numbered within its network. HDF5 lists them by layer; the arrays of a
nested network form a single list, first all trained arrays, then the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from label_image.keras_files.arrays import KerasFile
from label_image.keras_files.layers import KINDS
from label_image.keras_files.structure import ForeignError, KerasNetwork, Layer

_SEEDS = ("seed_generator", "StateVar")  # state of random layers, which have no effect in inference


@dataclass(frozen=True)
class LayerWeights:
    """The arrays of a layer, or of the layers of a nested network."""

    own: tuple[Any, ...] = ()
    inner: dict[str, LayerWeights] = field(default_factory=dict)


def weights_of(file: KerasFile, network: KerasNetwork) -> dict[str, LayerWeights]:
    """Returns the arrays of each layer, by the name of the layer.

    Raises:
      ForeignError: arrays are missing, or their number does not match the layers.
    """
    if not file.legacy:
        return _by_path(file, network, "")
    found = {}
    for layer in network.layers:
        paths = [path for path in file.names.get(layer.name, ()) if not any(word in path for word in _SEEDS)]
        row = [_array(file, path) for path in paths]
        found[layer.name] = _assigned(layer, row)
    return found


def _arrays_of(layer: Layer) -> tuple[bool, ...]:
    kind = KINDS.get(layer.kind)
    return kind.arrays(layer.config) if kind else ()


def _array(file: KerasFile, path: str) -> Any:
    if path not in file.arrays:
        raise ForeignError(f"its array {path[:100]!r} is missing")
    return file.arrays[path]


def _by_path(file: KerasFile, network: KerasNetwork, prefix: str) -> dict[str, LayerWeights]:
    found, used = {}, dict[str, int]()
    folders = ("layers", "_layer_checkpoint_dependencies")  # the second name is that of Keras 2.12 and 2.13
    folder = next((f for f in folders if any(path.startswith(f"{prefix}{f}/") for path in file.arrays)), folders[0])
    for layer in network.layers:
        name = _snake(layer.kind)
        used[name] = used.get(name, -1) + 1
        place = f"{prefix}{folder}/{name}{f'_{used[name]}' if used[name] else ''}/"
        if layer.inner is not None:
            found[layer.name] = LayerWeights((), _by_path(file, layer.inner, place))
        else:
            found[layer.name] = LayerWeights(
                tuple(_array(file, f"{place}vars/{at}") for at in range(len(_arrays_of(layer))))
            )
    return found


def _snake(kind: str) -> str:
    """Converts to snake case as Keras does: Conv2D -> conv2d, SeparableConv2D -> separable_conv2d, ReLU -> re_lu."""
    kind = "Functional" if kind == "Model" else kind
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", kind)).lower()


def _assigned(layer: Layer, row: list[Any]) -> LayerWeights:
    """Assigns a list of arrays to a layer, or to the layers of a nested network."""
    order = [*_array_paths(layer, (), True)]
    trained = [place for place, is_trained in order if is_trained]
    wanted = [*trained, *(place for place, is_trained in order if not is_trained)]
    if len(wanted) != len(row):
        raise ForeignError(f"its layer {layer.name[:60]!r} has {len(row)} arrays, expected {len(wanted)}")
    return _as_weights(layer, (), dict(zip(wanted, row, strict=True)))


def _array_paths(layer: Layer, above: tuple[str, ...], trainable: bool) -> Iterator[tuple[tuple[Any, ...], bool]]:
    """Yields (path of names and index, whether Keras counts it as trained) for each array, in the order of the layers."""
    path = (*above, layer.name)
    if layer.inner is not None:
        for inside in layer.inner.layers:
            yield from _array_paths(inside, path, trainable and layer.inner.trainable)
        return
    trainable = trainable and layer.config.get("trainable", True) is not False
    for at, is_trained in enumerate(_arrays_of(layer)):
        yield (*path, at), is_trained and trainable


def _as_weights(layer: Layer, above: tuple[str, ...], arrays: dict[tuple[Any, ...], Any]) -> LayerWeights:
    path = (*above, layer.name)
    if layer.inner is not None:
        return LayerWeights((), {inside.name: _as_weights(inside, path, arrays) for inside in layer.inner.layers})
    return LayerWeights(tuple(arrays[(*path, at)] for at in range(len(_arrays_of(layer)))))
