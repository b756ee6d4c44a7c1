"""Reads the grey pictures of IDX files: MNIST, Fashion-MNIST, EMNIST and others in this form, also compressed with gzip.

The format is described on yann.lecun.com/exdb/mnist: big-endian int32 for the magic number (0x803 pictures, 0x801 labels), the
count, rows and columns, followed by bytes. Files are named `train-images-idx3-ubyte.gz` and so on; `train` and `t10k` (or
`test`) are the subsets.
"""

from __future__ import annotations

import contextlib
import gzip
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from PIL import Image

from label_image.errors import RunError, UserError, meaning
from retrain.convert.source import Picture, Source, png
from retrain.files.archive import GZIP

_NAME = re.compile(r"(.*?)[-_.]?(images|labels)[-_.]idx[13][-_.]ubyte(\.gz)?", re.IGNORECASE)
_LIST = re.compile(r"(.*?)[-_.]?(train|t10k|test)", re.IGNORECASE)
_OTHER = {"images": ("labels", "idx3", "idx1"), "labels": ("images", "idx1", "idx3")}
_IMAGES, _LABELS = 0x803, 0x801
_LARGEST_PX = 4096  # side of a picture at most; a larger number is a damaged header


@dataclass(frozen=True)
class _Pair:
    """A file of pictures and the file of their labels."""

    name: str  # "train", "emnist-letters-test"
    images: Path
    labels: Path

    @property
    def which(self) -> str:
        found = _LIST.fullmatch(self.name)
        return "" if not found else "train" if found[2].lower() == "train" else "test"

    @property
    def family(self) -> str:
        """The part of the name that all pairs of one data set share."""
        found = _LIST.fullmatch(self.name)
        return found[1] if found else self.name


def read(src: Path) -> Source:
    """Opens IDX files.

    Args:
      src: a folder with one data set, or one file of a pair.

    Returns:
      the pictures in the order of the files, labelled with their numbers.

    Raises:
      UserError: there are no such files, one file of a pair, or more than one data set.
      RunError: a file is damaged; this may also occur while the pictures are read.
    """
    pairs = _pairs(src)
    total = sum(_count(pair) for pair in pairs)
    return Source(
        total, tuple(pair.which for pair in pairs if pair.which), (one for pair in pairs for one in _pictures(pair))
    )


def _pairs(src: Path) -> list[_Pair]:
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(
        (src.parent if src.is_file() else src).iterdir(), reverse=True
    ):  # an uncompressed file is preferred to .gz
        matched = _NAME.fullmatch(path.name)
        if matched and path.is_file():
            found.setdefault(matched[1], {})[matched[2].lower()] = path
    if src.is_file():
        found = {name: files for name, files in found.items() if src in files.values()}
    if not found:
        raise UserError(f"no IDX files in {src}: expected names like train-images-idx3-ubyte.gz")
    for files in found.values():
        if len(files) < 2:
            (kind, path), (other, was, now) = *files.items(), _OTHER[next(iter(files))]
            name = path.name.replace(kind, other).replace(was, now)
            raise UserError(f"found {path} without its {other}: put {name} beside it")
    pairs = [_Pair(name, files["images"], files["labels"]) for name, files in sorted(found.items(), reverse=True)]
    if len({pair.family for pair in pairs}) > 1 or len({pair.which for pair in pairs}) < len(pairs):
        names = ", ".join(pair.images.name for pair in pairs)
        raise UserError(f"more than one data set in {src}: {names}; put each into a folder of its own")
    return pairs


def _count(pair: _Pair) -> int:
    with _opened(pair.images, _IMAGES) as (_, sizes), _opened(pair.labels, _LABELS) as (_, labels):
        if sizes[0] != labels[0]:
            raise RunError(
                f"{pair.images} contains {sizes[0]} pictures, but {pair.labels} contains {labels[0]} labels; they do not belong together"
            )
        if not all(0 < size <= _LARGEST_PX for size in sizes[1:]):
            raise RunError(f"cannot read {pair.images}: its pictures would have {sizes[1]} x {sizes[2]} pixels")
        return sizes[0]


def _pictures(pair: _Pair) -> Iterator[Picture]:
    with (
        _opened(pair.images, _IMAGES) as (images, (count, rows, columns)),
        _opened(pair.labels, _LABELS) as (labels, _),
    ):
        digits = len(str(count - 1))
        for number in range(count):
            pixels, label = _read(images, rows * columns, pair.images), _read(labels, 1, pair.labels)
            for path, whole in ((pair.images, len(pixels) == rows * columns), (pair.labels, label)):
                if not whole:
                    raise RunError(
                        f"cannot read {path}: it is incomplete, with {number} of {count} items; download it again"
                    )
            picture = png(Image.frombytes("L", (columns, rows), pixels))
            yield Picture(str(label[0]), f"{pair.name}_{number:0{digits}d}.png", picture, pair.which)
        for file, path in ((images, pair.images), (labels, pair.labels)):
            if _read(file, 1, path):
                raise RunError(f"cannot read {path}: it contains more than the {count} items in its header")


@contextlib.contextmanager
def _opened(path: Path, magic: int) -> Iterator[tuple[IO[bytes], tuple[int, ...]]]:
    """Opens a file and reads its header; yields the file, positioned after the header, and the sizes."""
    with path.open("rb") as plain:
        packed = plain.read(2) == GZIP
        plain.seek(0)
        file: IO[bytes] = gzip.GzipFile(fileobj=plain) if packed else plain  # type: ignore[assignment]
        header = _read(file, 4 + 4 * (magic & 0xFF), path)
        if header[:4] != struct.pack(">I", magic):
            found = f"0x{header[:4].hex()}" if header else "nothing"
            raise RunError(
                f"cannot read {path}: it begins with {found}, but an IDX file of this name begins with 0x{magic:08x}"
            )
        if len(header) < 4 + 4 * (magic & 0xFF):
            raise RunError(f"cannot read {path}: its header is incomplete; download it again")
        yield file, struct.unpack(f">{magic & 0xFF}I", header[4:])


def _read(file: IO[bytes], size: int, path: Path) -> bytes:
    """Reads `size` bytes, or fewer at the end of the file."""
    try:
        return file.read(size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RunError(f"cannot read {path}: it is damaged ({meaning(error)}); download it again") from None
