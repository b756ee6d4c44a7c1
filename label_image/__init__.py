"""Labels photos with an image classifier.

A `.tflite` needs only NumPy, Pillow and LiteRT, not TensorFlow.

>>> from label_image import Classifier, UserError
"""

from __future__ import annotations

from label_image.errors import UserError

TYPE_CHECKING = False  # importing typing takes 2 ms, and `--help` should answer at once
if TYPE_CHECKING:
    from typing import Any

    from label_image.classifier import Classifier, Prediction
    from label_image.find_metadata import Overrides

__all__ = ["Classifier", "Overrides", "Prediction", "UserError"]


def __getattr__(name: str) -> Any:
    """Imports NumPy and Pillow only when something needs them, so that `--help` answers at once."""
    if name in ("Classifier", "Prediction"):
        from label_image import classifier

        return getattr(classifier, name)
    if name == "Overrides":
        from label_image.find_metadata import Overrides

        return Overrides
    raise AttributeError(f"module 'label_image' has no attribute {name!r}")
