"""Files and their sha256: which bytes a photo had when it was found, and whether it has them still."""

from __future__ import annotations

import hashlib
import os
from os import PathLike

from label_image.errors import PhotoError

CHANGED = "changed"  # the reason of a PhotoError; photos are counted by it


def file_digest(path: str | PathLike[str]) -> str:
    """The sha256 of a file's bytes, 64 hex digits; the file is read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:  # noqa: PTH123 - a million Path objects cost seconds
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def bytes_of(path: str, sha256: str) -> bytes:
    """The bytes of a photo, read once, so that what is decoded is what was hashed.

    Whatever decodes a photo after the scan asks here: a file can be saved anew, or taken away, at any moment of a run.

    Args:
      path: the file.
      sha256: the digest that its bytes had when it was found, hex.

    Raises:
      PhotoError: it has other bytes by now, is gone, or can not be read.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            data = file.read()
    except FileNotFoundError:
        raise PhotoError("not found", "it was deleted during the run") from None
    except OSError as error:
        raise PhotoError("unreadable", error.strerror or str(error)) from None
    except MemoryError:
        raise PhotoError("too large", "the file does not fit in memory") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise PhotoError(CHANGED, "its bytes changed while the run was going on; run the same command again")
    return data


def _open_at_once(path: str, flags: int) -> int:
    """Opens a file; a pipe that has taken its place is not waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
