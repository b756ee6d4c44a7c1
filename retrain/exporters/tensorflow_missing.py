"""Says whether TensorFlow is missing, for the formats that are verified with it."""

from __future__ import annotations

from label_image.quiet import has_tensorflow


def tensorflow_missing() -> str:
    """What has to be installed and is not; "" where TensorFlow is there."""
    return "" if has_tensorflow() else "TensorFlow is not installed"
