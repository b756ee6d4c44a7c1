"""Reads a Keras file, HDF5 or zip: the JSON that describes the network, and the arrays of its weights.

HDF5 can refer to other files: by links, and by datasets that are stored in or assembled from other files. None of these are
followed. An array that is larger than the file could hold is refused before memory is allocated.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.keras_files.structure import ForeignError

HDF5 = b"\x89HDF\r\n\x1a\n"
_MOST_BYTES = 2 << 30  # of all arrays together; protobuf cannot write a larger graph
_MOST_TEXT = 64 << 20  # of config.json; NASNetLarge's has 1.5 MB
_SPARE = 1 << 16  # bytes by which a dataset may exceed what it stores ...
_PACKED = 64  # ... plus this many times the stored size; compressed weights reach a factor of 2 or 3
_MOST_ITEMS = 200_000  # groups and datasets
_FILTERS = (1, 2, 3, 32000)  # gzip, shuffle, checksum, lzf: others are plug-ins


@dataclass(frozen=True)
class KerasFile:
    """The content of a Keras file."""

    described: Any  # the JSON of the network
    version: str  # of the Keras that wrote it; "" if the file does not state it
    legacy: bool  # an HDF5 file with arrays by layer names; otherwise a zip with arrays by path
    arrays: dict[str, npt.NDArray[np.float32]]  # by path in the file
    names: dict[str, tuple[str, ...]]  # legacy: layer -> paths of its arrays, in Keras's order


def is_hdf5(path: Path) -> bool:
    """Whether a file begins like HDF5."""
    with path.open("rb") as file:
        return file.read(8) == HDF5


def read(path: Path) -> KerasFile:
    """Reads a file.

    Raises:
      ForeignError: it refers to other files, is too large, or contains no network; the message says which.
      OSError, KeyError, ValueError, TypeError, RuntimeError, RecursionError, zipfile.BadZipFile: it is damaged.
    """
    return _read_hdf5(path) if is_hdf5(path) else _read_zip(path)


def _read_hdf5(path: Path) -> KerasFile:
    import h5py

    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise ForeignError("it contains weights without a network; save the whole model: model.save(...)")
        described = json.loads(_text(_attribute(file, "model_config")))
        version = _text(file.attrs["keras_version"]) if "keras_version" in file.attrs else ""
        arrays = _arrays(file)
        names = {}
        inside = "model_weights/" if "model_weights" in file else ""
        group = _group(file, inside.rstrip("/")) if inside else file
        for layer in _words(group, "layer_names"):
            names[layer] = tuple(f"{inside}{layer}/{name}" for name in _words(_group(group, layer), "weight_names"))
    return KerasFile(described, version, True, arrays, names)


def _read_zip(path: Path) -> KerasFile:
    import h5py

    with zipfile.ZipFile(path) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        weights = next((name for name in sizes if name.endswith("model.weights.h5")), "")
        if not weights:
            raise ForeignError("it contains no model.weights.h5; save the whole model: model.save(...)")
        described = json.loads(_member(archive, "config.json", _MOST_TEXT))
        metadata = json.loads(_member(archive, "metadata.json", _MOST_TEXT)) if "metadata.json" in sizes else {}
        data = _member(archive, weights, min(_MOST_BYTES, _SPARE + _PACKED * path.stat().st_size))
    with h5py.File(io.BytesIO(data), "r") as file:
        arrays = _arrays(file)
    return KerasFile(described, str(metadata.get("keras_version", "")), False, arrays, {})


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Reads a member of the archive, at most `most` bytes, whatever size the archive states."""
    with archive.open(name) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ForeignError(f"its {name} unpacks to more than {most:,} bytes")
    return data


def _arrays(file: Any) -> dict[str, npt.NDArray[np.float32]]:
    """Reads all arrays of numbers, by path; "\\" in files written on Windows becomes "/"."""
    found: dict[str, npt.NDArray[np.float32]] = {}
    total = 0
    for name, dataset in _datasets(file):
        if name.startswith(("optimizer", "_optimizer")):
            continue  # needed only to continue training
        total += _checked(name, dataset)
        if total > _MOST_BYTES:
            raise ForeignError(f"its arrays have more than {_MOST_BYTES:,} bytes")
        found[name.replace("\\", "/")] = np.asarray(dataset[()], np.float32)
    return found


def _datasets(file: Any) -> Iterator[tuple[str, Any]]:
    """Yields every dataset that hard links lead to; any other link is refused."""
    import h5py

    waiting, seen = [("", file)], 0
    while waiting:
        prefix, group = waiting.pop()
        for name in group:
            seen += 1
            if seen > _MOST_ITEMS:
                raise ForeignError(f"it has more than {_MOST_ITEMS:,} entries")
            path = f"{prefix}{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ForeignError(f"its entry {path!r} is a link to another place, which is not followed")
            item = group[name]
            if isinstance(item, h5py.Group):
                if path.count("/") > 60:  # a group that contains itself
                    raise ForeignError("its groups are nested without end")
                waiting.append((f"{path}/", item))
            elif isinstance(item, h5py.Dataset):
                yield path, item


def _checked(name: str, dataset: Any) -> int:
    """Checks that a dataset is plain numbers stored in this file; returns its size in bytes."""
    if dataset.external or dataset.is_virtual:
        raise ForeignError(f"its array {name!r} is stored in another file, which is not opened")
    if dataset.dtype.kind not in "fiub":
        raise ForeignError(f"its array {name!r} does not contain numbers ({dataset.dtype})")
    created = dataset.id.get_create_plist()
    kinds = [created.get_filter(index)[0] for index in range(created.get_nfilters())]
    if any(kind not in _FILTERS for kind in kinds):
        raise ForeignError(f"its array {name!r} is compressed in an unsupported way")
    if dataset.nbytes > _SPARE + _PACKED * dataset.id.get_storage_size():
        raise ForeignError(
            f"its array {name!r} declares {dataset.nbytes:,} bytes but stores {dataset.id.get_storage_size():,}"
        )
    return int(dataset.size) * 4


def _group(parent: Any, name: str) -> Any:
    import h5py

    at = parent
    for part in name.split("/"):
        if not isinstance(at.get(part, getlink=True), h5py.HardLink):
            raise ForeignError(f"its entry {name!r} is a link to another place, which is not followed")
        at = at[part]
    return at


def _attribute(item: Any, name: str) -> Any:
    value = item.attrs[name]
    return value if isinstance(value, (str, bytes)) else np.asarray(value).item()


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _words(group: Any, name: str) -> list[str]:
    """Reads a list of names; Keras splits a long list into `name0`, `name1`, ..."""
    if name in group.attrs:
        return [_text(word) for word in np.ravel(group.attrs[name])]
    words: list[str] = []
    for number in range(_MOST_ITEMS):
        if f"{name}{number}" not in group.attrs:
            break
        words += [_text(word) for word in np.ravel(group.attrs[f"{name}{number}"])]
    return words
