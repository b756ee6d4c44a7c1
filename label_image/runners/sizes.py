"""Formats the error for an image whose size does not match the network's input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def wrong_size(path: Path, own: Sequence[int], given: Sequence[int]) -> str:
    """Formats the message.

    Args:
      path: the network's file.
      own: the sizes of its input, without the batch; a size below 1 is undefined.
      given: the sizes of the image.

    >>> wrong_size(Path("a.tflite"), [128, 128, 3], [64, 64, 3])
    'cannot run a.tflite: its input size is 128 x 128 x 3, but the image has 64 x 64 x 3; leave out --input_height, --input_width and --input_size'
    """
    sizes, got = (" x ".join(str(size) if size > 0 else "any" for size in shape) for shape in (own, given))
    return (
        f"cannot run {path}: its input size is {sizes}, but the image has {got}; leave out --input_height, --input_width "
        "and --input_size"
    )
