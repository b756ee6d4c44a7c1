"""Label photos with an image classifier; light: numpy, Pillow and LiteRT, no TensorFlow for a `.tflite`.

>>> from label_image import Classifier, UserError
"""

from __future__ import annotations

from label_image.errors import UserError

TYPE_CHECKING = False  # typing takes 2 ms to import, and `--help` answers at once
if TYPE_CHECKING:
    from typing import Any

    from label_image.classifier import Classifier, Prediction
    from label_image.find_metadata import Overrides

__all__ = ["Classifier", "Overrides", "Prediction", "UserError"]


def __getattr__(name: str) -> Any:
    """Imports numpy and Pillow when something needs them, so that `--help` answers at once."""
    if name in ("Classifier", "Prediction"):
        from label_image import classifier

        return getattr(classifier, name)
    if name == "Overrides":
        from label_image.find_metadata import Overrides

        return Overrides
    raise AttributeError(f"module 'label_image' has no attribute {name!r}")
