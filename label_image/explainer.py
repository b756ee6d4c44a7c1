"""Draws heat maps over photos that show the evidence for a label, and writes them to files.

`heatmap` computes the map; this module checks it against the classifier's own scores and draws it over the whole, upright photo.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from label_image.classifier import Classifier, Prediction
from label_image.detectors.pooled import no_map
from label_image.errors import RunError
from label_image.heatmap import Box, Floats, feature_maps, for_and_against, head_of, overlay
from label_image.model_metadata import Metadata
from label_image.photo_pixels import UInt8Image, whole
from label_image.process_mark import mark
from label_image.softmax import softmax
from label_image.sorting import file_name, put_into

LONGEST_PX = 1200  # of a picture: enough for a screen, and a tenth of the size of a phone's photo
_QUALITY = 88  # of its JPEG
# Largest difference between the scores computed from the map and the classifier's. Float networks agree within 1e-4; a quantized
# network rounds (the ImageNet one of 2018 by 0.016). A map of anything else differs much more.
_TOLERANCE = 0.05


class Explainer:
    """Draws the evidence in a photo for a label.

    Args:
      classifier: the classifier whose answers are explained.

    Raises:
      NoExactMap: its network has no exact map; the message says why.
    """

    def __init__(self, classifier: Classifier) -> None:
        metadata = classifier.metadata
        if metadata.dtype == "string" or metadata.layout != "NHWC":
            what = "the photo's file itself" if metadata.dtype == "string" else f"pixels laid out as {metadata.layout}"
            raise no_map(classifier.path, f"it takes {what}")
        self._classifier = classifier
        self._maps = feature_maps(classifier.source, metadata.output_layer)
        self._weights, self._biases = head_of(classifier.source, metadata.output_layer)

    def evidence(self, image: str | Path | bytes, prediction: Prediction, label: str) -> Floats:
        """Computes the evidence for and against a label at each position.

        Args:
          image: a path, or the bytes of a file.
          prediction: the classifier's prediction for it.
          label: one of the classifier's labels.

        Returns:
          float32 [rows, columns], as from `for_and_against`.

        Raises:
          NoExactMap: the map does not reproduce the classifier's scores.
          PhotoError: the photo cannot be read.
        """
        ready = self._classifier.ready(image)
        assert not isinstance(ready, bytes), "the constructor refuses networks that read files"  # noqa: S101
        (features,) = self._maps(ready[None])
        scores = softmax(features.mean(axis=(0, 1)) @ self._weights + self._biases)
        if scores.shape != prediction.scores.shape or not np.abs(scores - prediction.scores).max() <= _TOLERANCE:
            raise no_map(self._classifier.path, "the map does not reproduce its scores")
        return for_and_against(features, self._weights, self._biases, prediction.labels.index(label))

    def picture(
        self, image: str | Path | bytes, prediction: Prediction, label: str, longest_px: int = LONGEST_PX
    ) -> UInt8Image:
        """Draws the evidence for a label over the whole, upright photo: uint8 [height, width, 3].

        Raises:
          NoExactMap: as `evidence`.
          PhotoError: as `evidence`.
        """
        evidence = self.evidence(image, prediction, label)
        pixels = whole(image, longest_px)
        seen = seen_part(pixels.shape[0], pixels.shape[1], self._classifier.metadata)
        return overlay(pixels, evidence, seen)


def seen_part(height: int, width: int, metadata: Metadata) -> Box:
    """Computes the part of an upright photo, in its own pixels, that a classifier sees: all of it, or the centre crop.

    >>> seen_part(100, 300, Metadata((), 224, 224, (0,), (1,)))
    (0.0, 0.0, 300.0, 100.0)
    >>> seen_part(100, 300, Metadata((), 200, 200, (0,), (1,), crop_px=250))
    (110.0, 10.0, 190.0, 90.0)
    """
    if not metadata.crop_px:
        return 0.0, 0.0, float(width), float(height)
    scale = min(height, width) / max(metadata.crop_px, metadata.height_px, metadata.width_px)
    across, down = metadata.width_px * scale, metadata.height_px * scale
    left, top = (width - across) / 2, (height - down) / 2
    return left, top, left + across, top + down


def write_picture(pixels: UInt8Image, folder: Path, name: str) -> str:
    """Writes a heat map of `daisy.jpg` as `daisy_heat.jpg`, without overwriting any file.

    Args:
      pixels: uint8 [height, width, 3].
      folder: created if it does not exist.
      name: the photo's path or address.

    Returns:
      the path of the file; an identical picture is not written twice.

    Raises:
      RunError: the file cannot be written.
    """
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=_QUALITY)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".heat-", suffix=f".{mark()}.part", dir=folder) as scratch:
            made = Path(scratch) / "heat.jpg"
            made.write_bytes(data.getvalue())
            return put_into(folder, made, f"{Path(file_name(name)).stem}_heat.jpg", move=True).path
    except OSError as error:
        raise RunError(
            f"cannot write heat maps into {folder}: {error.strerror or error}; name another folder"
        ) from None
