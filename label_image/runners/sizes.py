"""What to say of a picture that is not of the size that a network takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def wrong_size(path: Path, own: Sequence[int], given: Sequence[int]) -> str:
    """One line.

    Args:
      path: the network's file.
      own: the sizes of its input, without the batch; what is not above 0 is open.
      given: those of the picture that it got.

    >>> wrong_size(Path("a.tflite"), [128, 128, 3], [64, 64, 3])
    'cannot run a.tflite: its input is fixed at 128 x 128 x 3, and it was given 64 x 64 x 3; leave out --input_height, --input_width and --input_size'
    """
    sizes, got = (" x ".join(str(size) if size > 0 else "any" for size in shape) for shape in (own, given))
    return (
        f"cannot run {path}: its input is fixed at {sizes}, and it was given {got}; leave out --input_height, --input_width "
        "and --input_size"
    )
