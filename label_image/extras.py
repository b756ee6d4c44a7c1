"""Says how a part is installed that is not in the light install: the extras of setup.cfg."""

from __future__ import annotations


def install(extra: str) -> str:
    """The command that adds an extra to what is installed, from wherever that was.

    >>> install("tensorflow")
    "pip install 'tensorflow-for-poets[tensorflow]'"
    """
    return f"pip install 'tensorflow-for-poets[{extra}]'"
