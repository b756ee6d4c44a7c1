"""A classifier and photos in, the photos with what spoke for their label drawn over them out; each in a file of its own.

`heatmap` makes the numbers; here they are held against the classifier's own answer and laid over the whole, upright photo.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from label_image.card import Card
from label_image.classifier import Classifier, Prediction
from label_image.detectors.pooled import no_map
from label_image.errors import RunError
from label_image.heatmap import Box, Floats, feature_maps, for_and_against, head_of, overlay
from label_image.mark import mark
from label_image.pixels import UInt8Image, whole
from label_image.softmax import softmax
from label_image.sorting import file_name, put_into

LONGEST_PX = 1200  # of a picture; enough for a screen, a tenth of what a phone's photo takes
_QUALITY = 88  # of its JPEG
# The scores that the map gives against the classifier's. Floats agree within 1e-4; a network of integers rounds on its way (the
# ImageNet one of 2018 by 0.016). A map of something else is far off.
_TOLERANCE = 0.05


class Explainer:
    """Shows what in a photo spoke for a label.

    Args:
      classifier: whose answers are explained.

    Raises:
      NoExactMap: its network has no exact map; one line says why.
    """

    def __init__(self, classifier: Classifier) -> None:
        card = classifier.card
        if card.dtype == "string" or card.layout != "NHWC":
            what = "the photo's file itself" if card.dtype == "string" else f"pixels laid out as {card.layout}"
            raise no_map(classifier.path, f"it takes {what}")
        self._classifier = classifier
        self._maps = feature_maps(classifier.source, card.output_layer)
        self._weights, self._biases = head_of(classifier.source, card.output_layer)

    def evidence(self, image: str | Path | bytes, prediction: Prediction, label: str) -> Floats:
        """What speaks for a label and against it, place by place.

        Args:
          image: a path, or the bytes of a file.
          prediction: the classifier's answer for it.
          label: one of the classifier's.

        Returns:
          float32 [rows, columns], as `for_and_against`.

        Raises:
          NoExactMap: the map does not give the classifier's scores.
          PhotoError: the photo can not be read.
        """
        ready = self._classifier.ready(image)
        assert not isinstance(ready, bytes), "the constructor refuses networks that read files"  # noqa: S101
        (features,) = self._maps(ready[None])
        scores = softmax(features.mean(axis=(0, 1)) @ self._weights + self._biases)
        if scores.shape != prediction.scores.shape or not np.abs(scores - prediction.scores).max() <= _TOLERANCE:
            raise no_map(self._classifier.path, "its map does not give the scores that it gives")
        return for_and_against(features, self._weights, self._biases, prediction.labels.index(label))

    def picture(
        self, image: str | Path | bytes, prediction: Prediction, label: str, longest_px: int = LONGEST_PX
    ) -> UInt8Image:
        """The whole photo, upright, with what speaks for a label over it: uint8 [height, width, 3].

        Raises:
          NoExactMap: as `evidence`.
          PhotoError: as `evidence`.
        """
        evidence = self.evidence(image, prediction, label)
        pixels = whole(image, longest_px)
        seen = seen_part(pixels.shape[0], pixels.shape[1], self._classifier.card)
        return overlay(pixels, evidence, seen)


def seen_part(height: int, width: int, card: Card) -> Box:
    """The part of an upright photo, in its own pixels, that a classifier takes in: all of it, or the middle it crops.

    >>> seen_part(100, 300, Card((), 224, 224, (0,), (1,)))
    (0.0, 0.0, 300.0, 100.0)
    >>> seen_part(100, 300, Card((), 200, 200, (0,), (1,), crop_px=250))
    (110.0, 10.0, 190.0, 90.0)
    """
    if not card.crop_px:
        return 0.0, 0.0, float(width), float(height)
    scale = min(height, width) / max(card.crop_px, card.height_px, card.width_px)
    across, down = card.width_px * scale, card.height_px * scale
    left, top = (width - across) / 2, (height - down) / 2
    return left, top, left + across, top + down


def write_picture(pixels: UInt8Image, folder: Path, name: str) -> str:
    """Writes a picture beside those that are there: of `daisy.jpg` it is `daisy_heat.jpg`, and nothing is written over.

    Args:
      pixels: uint8 [height, width, 3].
      folder: made if it is missing.
      name: the photo's path or address.

    Returns:
      the file. The same picture is not written twice.

    Raises:
      RunError: it can not be written.
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
