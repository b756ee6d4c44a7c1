"""Damages networks by changing a few fields of a file to other values that such a field could have.

Random bytes mostly change weights, which has no visible effect, or offsets, which every reader detects. A runtime crashes
on fields that it reads and trusts: a shape, a type, an index, or an option of an operator. So these are changed here, by a
seed.

    mutated(data, seed)    the changed bytes of a .tflite or .pb; the same for the same seed
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from label_image.detectors.flatbuffer import Table, root

Field = tuple[int, str]  # its offset, and its format for `struct`
_LIMITS = {"b": (-128, 127), "B": (0, 255), "H": (0, 65535), "i": (-(2**31), 2**31 - 1), "I": (0, 2**32 - 1)}
_LIMITS |= {"q": (-(2**63), 2**63 - 1), "Q": (0, 2**64 - 1)}
_TELLING = (0, 1, -1, 2, 3, 4, 7, 8, 16, 127, 128, 255, 256, 1000, 65535, 2**20, 2**31 - 1, -(2**31))
_FLOATS = (0.0, 1.0, -1.0, 1e-38, 1e38, float("inf"), float("nan"))


def mutated(data: bytes, seed: int) -> bytes:
    """Returns the bytes of a network with one to three fields changed."""
    chance = random.Random(seed)
    if data[4:8] == b"TFL3":
        fields = list(_tflite_fields(data))
        return _changed(data, fields, chance)
    return _graph_changed(data, chance)


def _changed(data: bytes, fields: list[Field], chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        place, form = chance.choice(fields)
        old = struct.unpack_from(f"<{form}", changed, place)[0]
        struct.pack_into(f"<{form}", changed, place, _value(old, form, chance))
    return bytes(changed)


def _value(old: float, form: str, chance: random.Random) -> float:
    """Returns another value that such a field could have."""
    if form == "f":
        return chance.choice((*_FLOATS, -old, old * 1000))
    low, high = _LIMITS[form]
    near = (int(old) + 1, int(old) - 1, int(old) * 2, int(old) // 2, -int(old), int(old) ^ (1 << chance.randrange(8)))
    fit = [value for value in (*_TELLING, *near, *near) if low <= value <= high and value != old]
    return chance.choice(fit)


def _tflite_fields(data: bytes) -> Iterator[Field]:
    """Returns every field of a `.tflite` that a runtime trusts."""
    model = root(data)
    for code in model.tables(1):
        yield from _scalars(code, {0: "b", 2: "i", 3: "i"})
    for buffer in model.tables(4):
        yield from _scalars(buffer, {1: "Q", 2: "Q"})
        start, count = buffer.span(0, 1)
        if start:
            yield start - 4, "I"  # most bytes of such a vector
            if 0 < count <= 64:  # includes shapes, axes and paddings, but not weights
                yield from ((start + at, "i") for at in range(0, count - 3, 4))
    for graph in model.tables(2):
        for number in (1, 2):
            yield from _elements(graph, number, "i", 4)
        for tensor in graph.tables(0):
            yield from _tensor_fields(tensor)
        for operator in graph.tables(3):
            yield from _scalars(operator, {0: "I", 3: "B"})
            yield from (*_elements(operator, 1, "i", 4), *_elements(operator, 2, "i", 4))
            if options := operator.table(4):
                yield from _option_fields(options)


def _tensor_fields(tensor: Table) -> Iterator[Field]:
    yield from _scalars(tensor, {1: "b", 2: "I", 5: "B"})
    yield from (*_elements(tensor, 0, "i", 4), *_elements(tensor, 7, "i", 4))
    if quantized := tensor.table(4):
        yield from _scalars(quantized, {6: "i"})
        yield from (*_elements(quantized, 2, "f", 4, most=4), *_elements(quantized, 3, "q", 8, most=4))


def _option_fields(options: Table) -> Iterator[Field]:
    """Returns the fields of an operator's options, found by their offsets."""
    places = sorted({place for number in range(16) if (place := options.place(number))})
    ends = [*places[1:], places[-1] + 4] if places else []
    for place, end in zip(places, ends, strict=True):
        yield place, "i" if end - place >= 4 else "b"


def _scalars(table: Table, forms: dict[int, str]) -> Iterator[Field]:
    for number, form in forms.items():
        if place := table.place(number):
            yield place, form


def _elements(table: Table, number: int, form: str, size: int, most: int = 64) -> Iterator[Field]:
    """Returns the length and the elements of a vector."""
    start, count = table.span(number, size)
    if start:
        yield start - 4, "I"
        yield from ((start + size * index, form) for index in range(min(count, most)))


def _graph_changed(data: bytes, chance: random.Random) -> bytes:
    """Changes attributes, inputs or names of a GraphDef, without TensorFlow."""
    from retrain.formats.graph_def import new_graph

    graph = new_graph()
    graph.ParseFromString(data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        node = chance.choice(graph.node)
        attributes = sorted(node.attr)
        kind = chance.choice(("attribute", "attribute", "attribute", "input", "op", "gone"))
        if kind == "attribute" and attributes:
            _attribute_changed(node.attr[chance.choice(attributes)], chance)
        elif kind == "input" and node.input:
            at = chance.randrange(len(node.input))
            node.input[at] = chance.choice((chance.choice(graph.node).name, f"{node.input[at]}:1", "nowhere"))
        elif kind == "op":
            node.op = chance.choice((chance.choice(graph.node).op, "Softmax", "Identity", "Nothing"))
        elif kind == "gone" and len(graph.node) > 1:
            graph.node.remove(node)
    return bytes(graph.SerializeToString())


def _attribute_changed(value: object, chance: random.Random) -> None:
    """Changes one value of an attribute: a type, a size, a number or a shape."""
    which = value.WhichOneof("value")  # type: ignore[attr-defined]
    if which in ("i", "type"):
        setattr(value, which, int(_value(getattr(value, which), "i", chance)) if which == "i" else chance.randrange(24))
    elif which == "s":
        value.s = chance.choice((b"", b"SAME", b"VALID", b"NCHW", b"NHWC", b"nothing"))  # type: ignore[attr-defined]
    elif which == "list" and value.list.i:  # type: ignore[attr-defined]
        at = chance.randrange(len(value.list.i))  # type: ignore[attr-defined]
        value.list.i[at] = int(_value(value.list.i[at], "i", chance))  # type: ignore[attr-defined]
    elif which in ("shape", "tensor"):
        shape = value.shape if which == "shape" else value.tensor.tensor_shape  # type: ignore[attr-defined]
        if shape.dim:
            dim = chance.choice(shape.dim)
            dim.size = int(_value(dim.size, "i", chance))
        elif which == "tensor":
            value.tensor.dtype = chance.randrange(24)  # type: ignore[attr-defined]
