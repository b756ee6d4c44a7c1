"""Reads the nested structures that describe the arguments of a function in a SavedModel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


def fixed_booleans(structure: Any) -> list[bool]:
    """The boolean arguments that a signature fixes."""
    kind = structure.WhichOneof("kind")
    if kind == "bool_value":
        return [structure.bool_value]
    return [value for inside in _parts(structure, kind) for value in fixed_booleans(inside)]


def tensor_shapes(structure: Any) -> Iterator[tuple[int, ...] | None]:
    """The shapes of the tensors of a signature."""
    kind = structure.WhichOneof("kind")
    if kind in ("tensor_spec_value", "bounded_tensor_spec_value"):
        yield shape_of(getattr(structure, kind).shape)
    for inside in _parts(structure, kind):
        yield from tensor_shapes(inside)


def _parts(structure: Any, kind: str | None) -> Iterable[Any]:
    if kind in ("list_value", "tuple_value"):
        return list(getattr(structure, kind).values)
    if kind == "dict_value":
        return [structure.dict_value.fields[key] for key in sorted(structure.dict_value.fields)]
    if kind == "named_tuple_value":
        return [pair.value for pair in structure.named_tuple_value.values]
    return ()


def shape_of(shape: Any) -> tuple[int, ...] | None:
    """A TensorShapeProto as a tuple; None if its rank is unknown."""
    return None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)


def write_shape(shape: Any, sizes: tuple[int, ...] | None) -> None:
    """Writes a tuple, or None for an unknown rank, into an empty TensorShapeProto."""
    if sizes is None:
        shape.unknown_rank = True
        return
    for size in sizes:
        shape.dim.add(size=size)
