"""Says whether TensorFlow is missing, for the formats that are verified with it."""

from __future__ import annotations

from label_image.extras import install
from label_image.quiet import has_tensorflow


def tensorflow_missing(_: bool = False) -> str:
    """Says that TensorFlow is not installed, with the command that installs it; "" if it is installed."""
    return "" if has_tensorflow() else f"TensorFlow is not installed; {install('tensorflow')}"
