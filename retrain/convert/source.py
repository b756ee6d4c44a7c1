"""The nouns of a conversion: a Source is opened, its Pictures are written."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image


@dataclass(frozen=True)
class Picture:
    """One picture, as a file that will be."""

    label: str
    name: str  # of the file, with its ending; no folder
    data: bytes | Path  # what the file holds, or the file to copy
    which: str = ""  # the list it belongs to: "train", "validation" or "test"; "" is not said
    where: str = ""  # where it was found, for messages: "line 7 of photos.csv"


@dataclass(frozen=True)
class Source:
    """What was asked to be converted, opened and counted."""

    total: int  # pictures
    lists: tuple[str, ...]  # those that its pictures name
    pictures: Iterable[Picture]  # read as it is gone through
    notes: list[str] = field(default_factory=list)  # what the user should know; whole when `pictures` is at its end
    said: list[str] = field(default_factory=list)  # how it was read


def png(image: Image.Image) -> bytes:
    """A picture as PNG: the same pixels, whatever the compression."""
    file = io.BytesIO()
    image.save(file, "PNG")  # on pictures of 28 pixels other levels are neither faster nor smaller by 5 %
    return file.getvalue()
