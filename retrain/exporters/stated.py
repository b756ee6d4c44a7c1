"""What an export says of itself, with room to say one thing otherwise when it has been measured.

How often an export is right is known when it has been run, and then its metadata stand inside already. They are written with
spaces behind them, which JSON does not mind; so the figures are exchanged in their place, and no other byte changes.
"""

from __future__ import annotations

from pathlib import Path

from label_image.card import Card, to_json
from label_image.errors import RunError

_ROOM = 48  # bytes: two figures of another length


def stated(card: Card) -> bytes:
    """The metadata as they are written into a file."""
    return to_json(card).encode() + b" " * _ROOM


def restate(path: Path, was: Card, now: Card) -> None:
    """Exchanges the metadata inside a file for others, which differ by their figures.

    Args:
      path: what was written with `stated(was)`.
      was: what it says.
      now: what it is to say.

    Raises:
      RunError: the file does not say that, or there is no room.
    """
    data, old, new = path.read_bytes(), stated(was), to_json(now).encode()
    if data.count(old) != 1 or len(new) > len(old):
        raise RunError(f"cannot write the accuracy into {path}: its metadata are not as they were written")
    wanted = data.replace(old, new.ljust(len(old)))
    path.write_bytes(wanted)
    if path.read_bytes() != wanted:
        raise RunError(
            f"cannot write the accuracy into {path}: what is read is not what was written; is the disk sound?"
        )
