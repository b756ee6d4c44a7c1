"""Unpickles safely: each name to which a pickle refers must be on an allow list; every other name is refused.

An unpickler runs code when it looks up a name. The names on the list should therefore lead to our own classes, which only store
their arguments.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Mapping
from typing import IO, Any

_MOST_REMEMBERED = 1 << 22  # a batch of CIFAR-10 memorises about 20,000 objects


class AllowList(pickle.Unpickler):
    """An unpickler that accepts only the listed names.

    Args:
      file: the pickle.
      names: (module, name) as in the pickle -> the object to use.
      encoding: the encoding of strings written by Python 2; "bytes" returns them undecoded.

    `load` raises pickle.UnpicklingError for any other name, and can raise any exception on damaged bytes.
    """

    def __init__(self, file: IO[bytes], names: Mapping[tuple[str, str], Any], encoding: str = "ASCII") -> None:
        super().__init__(file, encoding=encoding)
        self._file, self._names = file, names

    def load(self) -> Any:
        """Loads the pickle at the current position of the file."""
        _check_memory(self._file)
        return super().load()

    def find_class(self, module: str, name: str) -> Any:
        """Returns the object on the list for a name."""
        if (module, name) not in self._names:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return self._names[module, name]


def _check_memory(file: IO[bytes]) -> None:
    """Refuses a pickle with very large memo numbers, whose table would fill the memory: 8 bytes can require 16 GiB."""
    start = file.tell()
    try:
        for operation, argument, _ in pickletools.genops(file):
            if operation.name in ("PUT", "LONG_BINPUT") and int(argument or 0) > _MOST_REMEMBERED:
                raise pickle.UnpicklingError(f"it uses the memo number {argument:,}")
    except ValueError as error:
        raise pickle.UnpicklingError(str(error)) from None
    file.seek(start)
