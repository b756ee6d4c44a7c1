"""The runs of this folder: what each was and did (`record`), its folder (`folder`), the list of them (`listing`, `cli`).

Imports nothing by itself; the names of `record` and `folder` are passed on when they are asked for.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """A name of `retrain.runs.record`, or of `retrain.runs.folder`."""
    import importlib

    for module in ("record", "folder"):
        found = importlib.import_module(f"retrain.runs.{module}")
        if name in vars(found):
            return vars(found)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
