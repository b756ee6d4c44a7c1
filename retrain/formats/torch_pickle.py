"""Reads the tensors of a `.pth` of PyTorch's format before 2020 as NumPy arrays; torch is not needed, and no code in it runs.

It reads a state dict (name -> plain CPU tensor) of float32 and int64. The format consists of five pickles (magic number,
protocol, system information, state dict, keys of the storages) followed by each storage's length and bytes. Five names are allowed.
"""

from __future__ import annotations

import collections
import io
import math
import struct
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from retrain.formats.pickle_allow_list import AllowList

_DTYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
_HEADERS = 3  # magic number, protocol version, system information


@dataclass(frozen=True)
class _View:
    """A tensor as described in the pickle: a part of a storage."""

    storage: str  # key
    offset: int  # in items
    size: tuple[int, ...]
    stride: tuple[int, ...]  # in items; many kernels are stored transposed


def _rebuilt(storage: str, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> _View:
    return _View(storage, offset, tuple(size), tuple(stride))


_NAMES = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
    **{("torch", kind): kind for kind in _DTYPES},
}


class _TorchPickle(AllowList):
    def __init__(self, file: IO[bytes], dtypes: dict[str, np.dtype[Any]]) -> None:
        super().__init__(file, _NAMES)
        self._dtypes = dtypes

    def persistent_load(self, pid: Any) -> str:
        kind, storage = pid[1], pid[2]
        self._dtypes[storage] = _DTYPES[kind]
        return str(storage)


def read_state(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """Reads a state dict.

    Args:
      data: the whole `.pth`.

    Returns:
      name -> float32 or int64 array, each in its own memory.

    Raises:
      ValueError: the file has another format, is damaged, or refers to a name that is not allowed.
    """
    dtypes: dict[str, np.dtype[Any]] = {}
    file = io.BytesIO(data)
    try:
        for _ in range(_HEADERS):
            _TorchPickle(file, dtypes).load()
        views = _TorchPickle(file, dtypes).load()
        storages = {key: _read_storage(file, dtypes[key]) for key in _TorchPickle(file, dtypes).load()}
        return {name: _tensor(view, storages[view.storage]) for name, view in views.items()}
    except Exception as error:  # an unpickler can raise any exception on damaged bytes
        raise ValueError(str(error) or type(error).__name__) from None


def _read_storage(file: IO[bytes], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    (count,) = struct.unpack("<q", file.read(8))
    data = file.read(count * dtype.itemsize)
    if len(data) != count * dtype.itemsize:
        raise ValueError("the file is incomplete")
    return np.frombuffer(data, dtype)


def _tensor(view: _View, storage: npt.NDArray[Any]) -> npt.NDArray[Any]:
    last = view.offset + sum((size - 1) * stride for size, stride in zip(view.size, view.stride, strict=True))
    negative = view.offset < 0 or min(view.stride, default=0) < 0 or min(view.size, default=1) < 1
    if negative or last >= len(storage) or math.prod(view.size) > len(storage):
        raise ValueError("a tensor lies outside its storage")
    strides = [stride * storage.itemsize for stride in view.stride]
    return np.lib.stride_tricks.as_strided(storage[view.offset :], view.size, strides).copy()
