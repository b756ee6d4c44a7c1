"""Reads the pictures of CIFAR-10, in the binary form or the Python form, from a folder or from the original archive.

Both forms are described on cs.toronto.edu/~kriz/cifar.html. The binary form repeats one byte for the label and 32 x 32 bytes
each for red, green and blue. The Python form is a pickle from 2009 of a dict with `data`, uint8 [pictures, 3072], and `labels`.
The pickle refers to three names of NumPy. They are replaced by classes that only store their arguments; all other names are
refused.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from label_image.errors import RunError, UserError, meaning
from retrain.convert.source import Picture, Source, png
from retrain.files.archive import read_members
from retrain.formats.pickle_allow_list import AllowList

LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_BATCH = re.compile(r"(data_batch_\d+|test_batch)(\.bin)?")
_META = ("batches.meta", "batches.meta.txt")
_BATCHES = {*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"}
_FOLDERS = ("cifar-10-batches-py", "cifar-10-batches-bin")  # the folders in the archives
_SIDE_PX = 32
_PLANE = _SIDE_PX * _SIDE_PX  # bytes of one colour
_PIXELS = 3 * _PLANE  # bytes of one picture
_PICKLE = b"\x80"  # the first byte of pickle protocol 2; a binary batch begins with a label


@dataclass(frozen=True)
class _Batch:
    name: str  # "data_batch_1"
    labels: list[int]
    pixels: Callable[[int], bytes]  # number of a picture -> its colour planes

    @property
    def which(self) -> str:
        return "test" if self.name == "test_batch" else "train"


def read(src: Path) -> Source:
    """Opens CIFAR-10; every batch is read and validated before the first picture is returned.

    Args:
      src: a folder with the batches or with the unpacked archive folder, one batch, or the archive.

    Returns:
      the pictures in the order of the batches.

    Raises:
      UserError: there is no batch, or one batch is there twice.
      RunError: a batch is damaged, or its pickle refers to a name that is not allowed.
    """
    files = _place(src)
    labels: tuple[str, ...] = LABELS
    counts: dict[str, int] = {}
    for name, data in files():
        if name in _META:
            labels = _label_names(data, name)
            continue
        batch = _batch(name, data)
        if batch.name in counts:
            raise UserError(f"found {batch.name} twice in {src}; delete or move one of them")
        counts[batch.name] = len(batch.labels)
    if not counts:
        raise UserError(f"no CIFAR-10 files in {src}: expected data_batch_1.bin or data_batch_1, and test_batch")
    missing = sorted(_BATCHES - set(counts))
    notes = [f"missing, and left out: {', '.join(missing)}"] if missing else []
    lists = dict.fromkeys("test" if name == "test_batch" else "train" for name in sorted(counts))
    return Source(sum(counts.values()), tuple(lists), _pictures(files, labels), notes)


def _place(src: Path) -> Callable[[], Iterator[tuple[str, bytes]]]:
    """Returns a function that iterates over the files of a folder or archive: (name, bytes)."""
    if src.is_file():
        if _BATCH.fullmatch(src.name):
            return functools.partial(_folder_files, src.parent, src.name)
        return functools.partial(read_members, src, _is_ours)
    inside = [src / name for name in _FOLDERS if (src / name).is_dir()]
    if len(inside) > 1:
        raise UserError(f"found both {inside[0]} and {inside[1]}, which contain the same pictures; give one of them")
    here = any(_BATCH.fullmatch(path.name) for path in src.iterdir())
    return functools.partial(_folder_files, inside[0] if inside and not here else src)


def _is_ours(name: str) -> bool:
    return name in _META or _BATCH.fullmatch(name) is not None


def _folder_files(folder: Path, only: str = "") -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.iterdir()):
        if path.name in _META or (_BATCH.fullmatch(path.name) and only in ("", path.name)):
            yield path.name, path.read_bytes()


def _pictures(files: Callable[[], Iterator[tuple[str, bytes]]], labels: tuple[str, ...]) -> Iterator[Picture]:
    for name, data in files():
        if name in _META:
            continue
        batch = _batch(name, data)
        for number, label in enumerate(batch.labels):
            pixels = batch.pixels(number)
            planes = [
                Image.frombytes("L", (_SIDE_PX, _SIDE_PX), pixels[start : start + _PLANE])
                for start in range(0, _PIXELS, _PLANE)
            ]
            picture = png(Image.merge("RGB", planes))
            where = f"label {label} of {name}"
            yield Picture(labels[label], f"{batch.name}_{number:04d}.png", picture, batch.which, where)


def _batch(name: str, data: bytes) -> _Batch:
    batch = _pickled(name, data) if data[:1] == _PICKLE else _binary(name, data)
    wrong = next((number for number, label in enumerate(batch.labels) if not 0 <= label < len(LABELS)), None)
    if wrong is not None:
        raise RunError(
            f"cannot read {name}: the label of picture {wrong} is {batch.labels[wrong]}, but CIFAR-10's labels are 0 to 9; is it another data set?"
        )
    return batch


def _binary(name: str, data: bytes) -> _Batch:
    size = 1 + _PIXELS
    if not data or len(data) % size:
        raise RunError(
            f"cannot read {name}: {len(data)} bytes are not a multiple of the picture size, {size} bytes; it is incomplete or not CIFAR-10"
        )
    view = memoryview(data)
    return _Batch(
        name.removesuffix(".bin"),
        list(data[::size]),
        lambda number: bytes(view[number * size + 1 : (number + 1) * size]),
    )


class _Dtype:
    """Replaces numpy.dtype during unpickling."""

    def __init__(self, code: bytes, *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """Ignores the byte order and the like, which have no meaning for bytes."""


class _Array:
    """Replaces the result of numpy.core.multiarray._reconstruct during unpickling."""

    def __init__(self, *_: Any) -> None:
        self.shape: tuple[int, ...] = ()
        self.data = b""

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, column_order, data = state
        if dtype.code != b"u1" or column_order or not isinstance(data, bytes):
            raise ValueError(f"an array of {dtype.code!r}, expected bytes in row-major order")
        self.shape, self.data = tuple(shape), data


_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _Dtype,
}


def _unpickled(name: str, data: bytes) -> dict[bytes, Any]:
    try:
        found = AllowList(io.BytesIO(data), _NAMES, encoding="bytes").load()
        if not isinstance(found, dict):
            raise TypeError(f"a {type(found).__name__}, expected a dict")
    except Exception as error:  # an unpickler can raise any exception on damaged bytes
        raise RunError(
            f"cannot read {name}: it is not a pickle of CIFAR-10 ({meaning(error)}); no code in it was run"
        ) from None
    return found


def _pickled(name: str, data: bytes) -> _Batch:
    found = _unpickled(name, data)
    array, labels = found.get(b"data"), found.get(b"labels")
    if not isinstance(array, _Array) or not isinstance(labels, list) or not all(type(one) is int for one in labels):
        raise RunError(f"cannot read {name}: it has no data and labels of CIFAR-10; is it another data set?")
    if array.shape != (len(labels), _PIXELS) or len(array.data) != len(labels) * _PIXELS:
        raise RunError(
            f"cannot read {name}: found {len(labels)} labels and {len(array.data)} bytes of pixels with shape {array.shape}; expected shape ({len(labels)}, {_PIXELS})"
        )
    pixels = array.data
    return _Batch(name, labels, lambda number: pixels[number * _PIXELS : (number + 1) * _PIXELS])


def _label_names(data: bytes, name: str) -> tuple[str, ...]:
    words = data.split(b"\n") if name.endswith(".txt") else _unpickled(name, data).get(b"label_names")
    if not isinstance(words, list) or not all(isinstance(word, bytes) for word in words):
        raise RunError(f"cannot read {name}: it has no list of label names")
    labels = tuple(text for word in words if (text := word.decode("utf-8", "replace").strip()))
    if len(labels) != len(LABELS):
        raise RunError(f"cannot read {name}: it names {len(labels)} classes, but CIFAR-10 has {len(LABELS)}")
    return labels
