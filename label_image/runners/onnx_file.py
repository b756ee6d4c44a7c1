"""Validates an `.onnx` before ONNX Runtime opens it: weights must be inside the file, and operators must be ONNX's own.

An ONNX tensor may refer to data in any other file. The messages are read by the field numbers of onnx.proto, because the package
with the protobuf classes is not needed to run a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from label_image.errors import RunError

# message: field number -> the kind of message in that field
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of TensorProto
_DOMAIN = 7  # of NodeProto; field 7 has other meanings in other messages
_DOMAINS = (b"", b"ai.onnx", b"ai.onnx.ml")
_DEEPEST = 100


def check(data: bytes, path: Path) -> None:
    """Refuses a file that refers to other files or needs custom operators.

    Args:
      data: the content of the file.
      path: its path, for error messages.

    Raises:
      RunError: it does, or it is damaged.
    """
    waiting = [("model", memoryview(data), 0)]
    try:
        while waiting:
            kind, message, depth = waiting.pop()
            if depth > _DEEPEST:
                raise RunError(f"cannot use {path}: its graphs are nested without end")
            for number, value in _fields(message):
                inside = _MESSAGES[kind].get(number)
                if inside and isinstance(value, memoryview):
                    waiting.append((inside, value, depth + 1))
                elif kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == 1)):
                    raise RunError(
                        f"cannot use {path}: its weights are in another file, which is not opened; save it as one file"
                    )
                elif (
                    kind == "node"
                    and number == _DOMAIN
                    and isinstance(value, memoryview)
                    and bytes(value) not in _DOMAINS
                ):
                    raise RunError(
                        f"cannot use {path}: it needs operators of {bytes(value[:40]).decode(errors='replace')!r}, which are not ONNX's own"
                    )
    except (IndexError, ValueError) as error:
        raise RunError(f"cannot read {path}: the ONNX file is damaged ({error})") from None


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yields (number, value) of each field of a message: an int for a varint, bytes for a field with a length; skips fixed-size numbers."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, form = key >> 3, key & 7
        if form == 0:
            value, at = _varint(data, at)
            yield number, value
        elif form == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError("a field extends beyond the file")
            yield number, data[at : at + length]
            at += length
        elif form in (1, 5):
            at += 8 if form == 1 else 4
        else:
            raise ValueError(f"a field of the unknown type {form}")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("an unterminated number")
