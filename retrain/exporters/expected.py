"""Holds what an export must reproduce: the photos and the scores of the trained layer."""

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
    """What an export is compared with."""

    photos: tuple[Photo, ...]
    features: npt.NDArray[np.float32]  # [photos, width], of this export's own backbone
    head: Head  # its own
    backbone: Backbone
    metadata: Metadata
    trained: Scores  # of the trained model
    most_loss: float = 2.0  # points of accuracy that quantizing may cost
    say: Callable[[str], None] = lambda _: None  # called with each photo that differs, before an error
    recheck: Callable[[Sequence[Photo]], None] = lambda _: None  # raises where it is their kept features that are wrong

    @property
    def scores(self) -> Scores:
        """The probabilities of this export's own head."""
        return softmax(self.head.logits(self.features))

    @property
    def label_ids(self) -> npt.NDArray[np.int64]:
        """int64 [photos]: the true labels."""
        return np.array([self.head.labels.index(photo.label) for photo in self.photos], np.int64)

    @property
    def form(self) -> str:
        """Describes the form of the head in a file: the name of the output and the hidden layers."""
        return f"{self.metadata.output_layer}{''.join(f'/{layer.activation}' for layer in self.head.hidden)}"

    def without(self, lost: Sequence[int]) -> Expected:
        """Removes the photos at the indices `lost`."""
        if not lost:
            return self
        left = np.delete(np.arange(len(self.photos)), lost)
        photos = tuple(self.photos[place] for place in left)
        return dataclasses.replace(self, photos=photos, features=self.features[left], trained=self.trained[left])

    def stated(self, scores: Scores) -> Expected:
        """Puts the figures of this export into its metadata, if the run had a test set.

        Args:
          scores: what it says of the photos, or should say.
        """
        if not self.metadata.training.get("tested"):
            return self
        right = int((scores.argmax(axis=1) == self.label_ids).sum())
        figures = {"test_accuracy": right / len(scores), "tested": len(scores)}
        training = {**self.metadata.training, **figures}
        return dataclasses.replace(self, metadata=dataclasses.replace(self.metadata, training=training))

    @property
    def example(self) -> Photo:
        """Returns the first photo that the head labels correctly, or else the first photo."""
        right = np.flatnonzero(self.scores.argmax(axis=1) == self.label_ids)
        return self.photos[right[0] if len(right) else 0]
