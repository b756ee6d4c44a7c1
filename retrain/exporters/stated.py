"""Writes the metadata into an export with spare room, so that figures can be replaced after the verification.

How often an export is right is known when it has been run, and then its metadata is inside already. It is written with
spaces behind it, which JSON does not mind; so the figures are exchanged in their place, and no other byte changes.
"""

from __future__ import annotations

from pathlib import Path

from label_image.errors import RunError
from label_image.model_metadata import Metadata, to_json

_ROOM = 48  # bytes: two figures of another length


def stated(metadata: Metadata) -> bytes:
    """Encodes the metadata as it is written into a file."""
    return to_json(metadata).encode() + b" " * _ROOM


def restate(path: Path, was: Metadata, now: Metadata) -> None:
    """Replaces the metadata inside a file by metadata with other figures.

    Args:
      path: what was written with `stated(was)`.
      was: what it says.
      now: what it is to say.

    Raises:
      RunError: the file does not say that, or there is no room.
    """
    data, old, new = path.read_bytes(), stated(was), to_json(now).encode()
    if data.count(old) != 1 or len(new) > len(old):
        raise RunError(f"cannot write the accuracy into {path}: its metadata is not as it was written")
    wanted = data.replace(old, new.ljust(len(old)))
    path.write_bytes(wanted)
    if path.read_bytes() != wanted:
        raise RunError(
            f"cannot write the accuracy into {path}: what is read is not what was written; is the disk sound?"
        )
