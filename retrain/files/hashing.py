"""Computes the SHA-256 of files, and verifies that a photo still has the bytes that it had when it was found."""

from __future__ import annotations

import hashlib
import os
from os import PathLike

from label_image.errors import PhotoError

CHANGED = "changed"  # the reason of a PhotoError; messages count photos by reason


def file_digest(path: str | PathLike[str]) -> str:
    """Computes the SHA-256 of a file as 64 hex digits; the file is read in blocks."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:  # noqa: PTH123 - a million Path objects cost seconds
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def bytes_of(path: str, sha256: str) -> bytes:
    """Reads a photo's bytes once and verifies their digest, so that the decoded bytes are those that were hashed.

    All code that decodes a photo after the scan uses this function, because a file can be changed or deleted during a run.

    Args:
      path: the file.
      sha256: the digest of its bytes when it was found, hex.

    Raises:
      PhotoError: its bytes have changed, it was deleted, or it cannot be read.
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
        raise PhotoError(CHANGED, "its bytes changed during the run; run the same command again")
    return data


def _open_at_once(path: str, flags: int) -> int:
    """Opens a file without waiting, even if a pipe has taken its place."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
