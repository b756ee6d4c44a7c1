"""A written export in, a proof that it labels as the trained head does out; or a RunError, and the file never gets its name.

The file is opened with label_image's own code and labels the test photos from their files. What differs from the head's
scores on the kept features beyond float32 rounding is a fault: wrong scaling, wrong channel order, labels in another order.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from label_image.card import Card
from label_image.classifier import Classifier
from label_image.errors import RunError
from label_image.inspect import Overrides
from retrain.atomic import replacing
from retrain.exporters import device_folder
from retrain.exporters import graph as graph_exporter
from retrain.exporters.table import Exporter
from retrain.metrics import softmax
from retrain.nouns import Backbone, Export, Head, Photo

# The same float32 sums in another order: 1e-5 on one runtime, up to some 1e-4 between LiteRT, TensorFlow and a GPU.
TOLERANCE = 2e-3
MOST_PHOTOS = 2000  # enough to see any fault of the export; a proof is no second test


@dataclass(frozen=True)
class Proof:
    """What an export is held against."""

    photos: tuple[Photo, ...]
    features: npt.NDArray[np.float32]  # [photos, width]
    head: Head
    backbone: Backbone
    card: Card

    @property
    def expected(self) -> npt.NDArray[np.float32]:
        """float32 [photos, classes]: the head's probabilities."""
        return softmax(self.head.logits(self.features))

    @property
    def example(self) -> Photo:
        """The first photo that the head labels rightly; the first of all if there is none."""
        guesses = self.expected.argmax(axis=1)
        right = (photo for photo, k in zip(self.photos, guesses, strict=True) if self.head.labels[k] == photo.label)
        return next(right, self.photos[0])


def export(row: Exporter, path: Path, proof: Proof) -> Export:
    """Writes one export to a temporary name, proves it, and gives it its name.

    Raises:
      RunError: it does not label as the head does, or can not be written.
    """
    try:
        with replacing(path) as scratch:
            row.write(scratch, proof.head, proof.backbone, proof.card)
            difference, how = _prove(row.kind, scratch, path, proof)
        size = (
            sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            if path.is_dir()
            else path.stat().st_size
        )
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None
    return Export(row.kind, path, size, difference, how)


def _prove(kind: str, scratch: Path, path: Path, proof: Proof) -> tuple[float, str]:
    """(largest difference of a score, how it was found)."""
    if kind == "graph":
        known = _graph_proof(proof.backbone, proof.card)
        if known is not None and graph_exporter.same_but_for_head(scratch, proof.head, proof.backbone, proof.card):
            return known, "bit by bit the graph that TensorFlow ran before, with this head"
    model = scratch / device_folder.MODEL if kind == "device_folder" else scratch
    difference = compare(model, path, proof.photos, proof.expected, proof.head.labels)
    if kind == "graph":
        _remember_graph_proof(proof.backbone, proof.card, difference)
    if kind == "device_folder":
        device_folder.add_selftest(scratch, proof.example.path)
        return difference, f"run on {len(proof.photos)} photos, then by itself on one"
    return difference, f"run on {len(proof.photos)} photos"


def compare(
    scratch: Path, path: Path, photos: Sequence[Photo], expected: npt.NDArray[np.float32], labels: tuple[str, ...]
) -> float:
    """The largest difference between an export's scores and those expected.

    Args:
      scratch: the file as it is written now.
      path: the name it is to get, for the error.
      photos: what to label.
      expected: float32 [photos, classes].
      labels: the classes, in the order of `expected`.

    Raises:
      RunError: the difference is beyond rounding; the photo where it is largest is named.
    """
    classifier = Classifier(scratch, Overrides())
    if classifier.card.labels != labels:
        raise RunError(
            f"the export {path} is wrong and was not kept: its labels are {classifier.card.labels}, not {labels}"
        )
    worst, where = 0.0, ""
    for photo, wanted, answer in zip(
        photos, expected, classifier.classify_all([photo.path for photo in photos]), strict=True
    ):
        if answer.error:
            raise RunError(f"cannot prove {path}: {photo.path} can not be read any more ({answer.error})")
        difference = float(np.abs(answer.scores - wanted).max())
        if difference > worst or not np.isfinite(difference):
            worst, where = difference, photo.path
    if not worst <= TOLERANCE:
        raise RunError(
            f"the export {path} is wrong and was not kept: a score of {where} differs by {worst:.2g} from the trained layer's, "
            f"at most {TOLERANCE:g} is rounding; please report this"
        )
    return worst


def _proof_file(backbone: Backbone) -> Path:
    return backbone.graph.with_name(f"{backbone.graph.name}.proof.json")


def _proof_key(backbone: Backbone, card: Card) -> str:
    return f"{backbone.digest}/{card.output_layer}"


def _graph_proof(backbone: Backbone, card: Card) -> float | None:
    """The largest difference TensorFlow showed when it ran this backbone's graph; None if it has not."""
    try:
        return float(json.loads(_proof_file(backbone).read_text("utf-8"))[_proof_key(backbone, card)])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember_graph_proof(backbone: Backbone, card: Card, difference: float) -> None:
    with (
        contextlib.suppress(OSError),
        replacing(_proof_file(backbone)) as scratch,
    ):  # a read-only --model_dir: next time again
        scratch.write_text(json.dumps({_proof_key(backbone, card): difference}), "utf-8")
