"""Writes the metadata of an export with spare room, so that the test results can be replaced after they were measured.

The accuracy of an export is known only after it was run, when its metadata is already in the file. Spaces follow the metadata, which
are allowed in JSON, so the test results can be replaced without changing any other byte.
"""

from __future__ import annotations

from pathlib import Path

from label_image.errors import RunError
from label_image.model_metadata import Metadata, to_json

_ROOM = 48  # bytes; enough for two numbers with more digits


def stated(metadata: Metadata) -> bytes:
    """Encodes the metadata as it is written into a file."""
    return to_json(metadata).encode() + b" " * _ROOM


def restate(path: Path, was: Metadata, now: Metadata) -> None:
    """Replaces the metadata inside a file by one with other test results.

    Args:
      path: a file that was written with `stated(was)`.
      was: the metadata in the file.
      now: the new metadata.

    Raises:
      RunError: the file does not contain `was`, or there is not enough room.
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
