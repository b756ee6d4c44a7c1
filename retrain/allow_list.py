"""A pickle in, what it holds out, where each name that it asks for stands on a list; every other name is refused.

An unpickler runs code when it is asked for a name. What is on the list should therefore be our own: stand-ins that only
note what they are given.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import IO, Any


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
        self._names = names

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name."""
        if (module, name) not in self._names:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return self._names[module, name]
