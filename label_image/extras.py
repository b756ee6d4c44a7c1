"""Says how to install the optional parts: the extras of setup.cfg."""

from __future__ import annotations


def install(extra: str) -> str:
    """Returns the command that installs an extra, whether the package came from a checkout or from PyPI.

    >>> install("tensorflow")
    "pip install 'tensorflow-for-poets[tensorflow]'"
    """
    return f"pip install 'tensorflow-for-poets[{extra}]'"
