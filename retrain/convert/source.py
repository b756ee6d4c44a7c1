"""Defines the types of a conversion: a Source is opened, and its Pictures are written."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image


@dataclass(frozen=True)
class Picture:
    """One picture and the file to write for it."""

    label: str
    name: str  # of the file, with its suffix and without folders
    data: bytes | Path  # the contents of the file, or the file to copy
    which: str = ""  # its subset: "train", "validation" or "test"; "" if unknown
    where: str = ""  # its origin, for messages: "line 7 of photos.csv"


@dataclass(frozen=True)
class Source:
    """The data set to convert, opened and counted."""

    total: int  # number of pictures
    lists: tuple[str, ...]  # the subsets that its pictures name
    pictures: Iterable[Picture]  # read during iteration
    notes: list[str] = field(default_factory=list)  # for the user; complete when `pictures` is exhausted
    interpretation: list[str] = field(default_factory=list)  # how the source was interpreted, for the user


def png(image: Image.Image) -> bytes:
    """Encodes a picture as PNG, which keeps its pixels."""
    file = io.BytesIO()
    image.save(file, "PNG")  # for pictures of 28 pixels, other compression levels are neither faster nor smaller by 5 %
    return file.getvalue()
