"""Trains an image classifier on a folder of photos, and records how it was made.

>>> from retrain import Event, Run, RunError, UserError, train

`train("flowers")` does what `python -m retrain --image_dir flowers` does, and returns a `Run`; `docs/api.md` explains it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing takes 2 ms, and `--help` should answer at once
if TYPE_CHECKING:
    from typing import Any

    from label_image.errors import RunError, UserError
    from retrain.pipeline.api import Event, Run, train

__all__ = ["Event", "Run", "RunError", "UserError", "train"]


def __getattr__(name: str) -> Any:
    """Imports NumPy and the pipeline only when something needs them."""
    if name in ("Event", "Run", "train"):
        from retrain.pipeline import api

        return getattr(api, name)
    if name in ("RunError", "UserError"):
        from label_image import errors

        return getattr(errors, name)
    raise AttributeError(f"module 'retrain' has no attribute {name!r}")
