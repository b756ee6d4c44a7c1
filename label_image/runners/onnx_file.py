"""Looks through an `.onnx` before ONNX Runtime gets it: its weights must lie in the file itself, its operators be ONNX's own.

An ONNX tensor may say that its numbers lie in another file, by any path. The messages are walked by their numbers in onnx.proto,
since the package with the protobuf classes is not needed to run a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from label_image.errors import RunError

# message: field number -> the message in it
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
_DOMAIN = 7  # of NodeProto; in no other message has 7 this meaning
_DOMAINS = (b"", b"ai.onnx", b"ai.onnx.ml")
_DEEPEST = 100


def check(data: bytes, path: Path) -> None:
    """Refuses a file that points outside itself, or that needs operators of somebody's own.

    Args:
      data: all of the file.
      path: where it lay, for the message.

    Raises:
      RunError: it does; or it is damaged. One line.
    """
    waiting = [("model", memoryview(data), 0)]
    try:
        while waiting:
            kind, message, depth = waiting.pop()
            if depth > _DEEPEST:
                raise RunError(f"cannot use {path}: its graphs lie in each other without end")
            for number, value in _fields(message):
                inside = _MESSAGES[kind].get(number)
                if inside and isinstance(value, memoryview):
                    waiting.append((inside, value, depth + 1))
                elif kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == 1)):
                    raise RunError(
                        f"cannot use {path}: its weights lie in another file, which is not opened; save it as one file"
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
    """(number, value) of each field of a message: an int of a varint, bytes of what has a length; fixed numbers are passed over."""
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
                raise ValueError("a field ends behind the file")
            yield number, data[at : at + length]
            at += length
        elif form in (1, 5):
            at += 8 if form == 1 else 4
        else:
            raise ValueError(f"a field of the form {form}")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number without end")
