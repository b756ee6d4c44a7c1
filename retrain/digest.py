"""A file in, the sha256 of its bytes out, in hex."""

from __future__ import annotations

import hashlib
from os import PathLike


def file_digest(path: str | PathLike[str]) -> str:
    """The sha256 of a file's bytes, 64 hex digits; the file is read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:  # noqa: PTH123 - a million Path objects cost seconds
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
