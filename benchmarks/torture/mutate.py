"""Changes bytes as damage to files does, and a few as an attacker would."""

from __future__ import annotations

import numpy as np

_NUMBERS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x01\0\0\0", b"\0\0\0\x01", b"\xff\xff\xff\x7f")


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Applies one random kind of damage: flipped bytes, a piece cut, doubled, zeroed or moved, or an extreme number.

    Args:
      data: not empty.
      rng: decides all; the same state gives the same bytes.

    Returns:
      other bytes, of a similar length.
    """
    kind = int(rng.integers(7))
    changed = bytearray(data)
    at = int(rng.integers(len(data)))
    length = min(len(data) - at, 2 ** int(rng.integers(1, 12)))
    if kind in (0, 1):  # mostly few bytes; half of them in the header, which matters most
        end = len(data) if kind == 0 else min(len(data), 512)
        for place in rng.integers(0, end, int(rng.integers(1, 12))).tolist():
            changed[place] = int(rng.integers(256))
    elif kind == 2:
        return data[:at]
    elif kind == 3:
        changed[at:at] = data[at : at + length]
    elif kind == 4:
        changed[at : at + length] = bytes(length)
    elif kind == 5:
        to = int(rng.integers(len(data)))
        changed[to : to + length] = data[at : at + length]
    else:
        place = int(rng.integers(max(1, min(len(data), 2048) - 4)))
        changed[place : place + 4] = _NUMBERS[int(rng.integers(len(_NUMBERS)))]
    return bytes(changed)
