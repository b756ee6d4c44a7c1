"""Defines what an export must reproduce: the scores of the trained layer for some photos."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from label_image.model_metadata import Metadata
from label_image.softmax import softmax
from retrain.types import Backbone, Head, Photo

Scores = npt.NDArray[np.float32]  # [photos, classes]


@dataclass(frozen=True)
class Expected:
    """The photos and scores with which an export is compared."""

    photos: tuple[Photo, ...]
    features: npt.NDArray[np.float32]  # [photos, width], from the backbone of this export
    head: Head  # the head of this export
    backbone: Backbone
    metadata: Metadata
    trained: Scores  # from the trained model
    most_loss: float = 2.0  # maximum loss of accuracy by quantization, in points
    say: Callable[[str], None] = lambda _: None  # called with a line for each photo that differs, before an error
    recheck: Callable[[Sequence[Photo]], None] = lambda _: None  # raises an error if the cause is wrong stored features

    @property
    def scores(self) -> Scores:
        """Computes the probabilities with the head of this export."""
        return softmax(self.head.logits(self.features))

    @property
    def label_ids(self) -> npt.NDArray[np.int64]:
        """int64 [photos]: the true labels."""
        return np.array([self.head.labels.index(photo.label) for photo in self.photos], np.int64)

    @property
    def form(self) -> str:
        """Describes what determines the structure of the head in a file: the name of the scores, and the hidden layers."""
        return f"{self.metadata.output_layer}{''.join(f'/{layer.activation}' for layer in self.head.hidden)}"

    def without(self, lost: Sequence[int]) -> Expected:
        """Returns the same for fewer photos; `lost` contains the indices of those to leave out."""
        if not lost:
            return self
        left = np.delete(np.arange(len(self.photos)), lost)
        photos = tuple(self.photos[place] for place in left)
        return dataclasses.replace(self, photos=photos, features=self.features[left], trained=self.trained[left])

    def stated(self, scores: Scores) -> Expected:
        """Returns the same with the test results of this export in its metadata, if the run has a test.

        Args:
          scores: the measured or expected scores of the photos.
        """
        if not self.metadata.training.get("tested"):
            return self
        right = int((scores.argmax(axis=1) == self.label_ids).sum())
        figures = {"test_accuracy": right / len(scores), "tested": len(scores)}
        training = {**self.metadata.training, **figures}
        return dataclasses.replace(self, metadata=dataclasses.replace(self.metadata, training=training))

    @property
    def example(self) -> Photo:
        """Returns the first photo that the head labels correctly; the first photo if there is none."""
        right = np.flatnonzero(self.scores.argmax(axis=1) == self.label_ids)
        return self.photos[right[0] if len(right) else 0]
