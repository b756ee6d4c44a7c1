"""A pickle in, what it holds out, where each name that it asks for stands on a list; every other name is refused.

An unpickler runs code when it is asked for a name. What is on the list should therefore be our own: stand-ins that only
note what they are given.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Mapping
from typing import IO, Any

_MOST_REMEMBERED = 1 << 22  # a batch of CIFAR-10 remembers some 20,000 things


class AllowList(pickle.Unpickler):
    """Unpickles what needs no name but those listed.

    Args:
      file: the pickle.
      names: (module, name) as the pickle says it -> what it gets.
      encoding: of the text that Python 2 wrote; "bytes" leaves it as it is.

    `load` raises pickle.UnpicklingError for another name, and anything at all on broken bytes.
    """

    def __init__(self, file: IO[bytes], names: Mapping[tuple[str, str], Any], encoding: str = "ASCII") -> None:
        super().__init__(file, encoding=encoding)
        self._file, self._names = file, names

    def load(self) -> Any:
        """What the pickle at this place of the file holds."""
        _check_memory(self._file)
        return super().load()

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name."""
        if (module, name) not in self._names:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return self._names[module, name]


def _check_memory(file: IO[bytes]) -> None:
    """Refuses a pickle that numbers what it remembers so high that the table of it would fill the memory: 8 bytes can ask for 16 GiB."""
    start = file.tell()
    try:
        for operation, argument, _ in pickletools.genops(file):
            if operation.name in ("PUT", "LONG_BINPUT") and int(argument or 0) > _MOST_REMEMBERED:
                raise pickle.UnpicklingError(f"it remembers something as number {argument:,}")
    except ValueError as error:
        raise pickle.UnpicklingError(str(error)) from None
    file.seek(start)
