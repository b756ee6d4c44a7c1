"""Draws two heat maps for each mistake: the evidence for the wrong label, and the evidence for the right one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from label_image.errors import PhotoError, UserError
from label_image.heatmap import NoExactMap, class_activation_map, feature_maps, head_of, overlay
from label_image.photo_pixels import decode, normalise
from label_image.workers import cores, map_ordered
from retrain.files.hashing import bytes_of, file_digest
from retrain.report.photos import small_picture
from retrain.types import Dense, Head

Pair = tuple[Image.Image, Image.Image]  # heat maps for the wrong label and for the right one


def heat_maps(backbone: Mapping[str, Any], head: Head, mistakes: Sequence[Mapping[str, Any]]) -> Iterator[Pair | None]:
    """Draws the evidence for the predicted label against the true label.

    Each position of the feature map contributes to the difference of the two logits, and the mean of the contributions
    is the difference. Positive contributions are evidence for the wrong label, negative ones for the right label. Both
    pictures have the same scale.

    Args:
      backbone: the backbone of the record.
      head: the trained layer; with hidden layers there is no exact map.
      mistakes: test photos of the record that were labelled wrongly.

    Yields:
      a pair for each mistake; None for a photo that is missing or has changed.

    Raises:
      UserError: the network is missing, or has no exact map (then it is a NoExactMap).
    """
    if head.hidden:
        raise NoExactMap(
            "the classifier has hidden layers, so the contribution of each position of a photo to a score is not exact"
        )
    graph = Path(backbone["graph"])
    size = backbone["height_px"], backbone["width_px"]
    mean, std = tuple(backbone["mean"]), tuple(backbone["std"])
    place = {label: column for column, label in enumerate(head.labels)}

    def make_worker() -> Callable[[Mapping[str, Any]], Pair | None]:
        maps = feature_maps(graph)

        def work(mistake: Mapping[str, Any]) -> Pair | None:
            columns = place[mistake["predicted"]], place[mistake["label"]]
            try:
                data = bytes_of(mistake["path"], mistake["sha256"])
                small = np.asarray(small_picture(data))
                pixels = normalise(decode(data, *size), mean, std)
            except PhotoError:
                return None
            evidence = difference_map(maps(pixels[None])[0], head, *columns)
            top = float(np.abs(evidence).max())
            return (
                Image.fromarray(overlay(small, evidence, top=top)),
                Image.fromarray(overlay(small, -evidence, top=top)),
            )

        return work

    return map_ordered(make_worker, mistakes, cores())


def difference_map(features: npt.NDArray[np.float32], head: Head, wrong: int, right: int) -> npt.NDArray[np.float32]:
    """Computes what each position contributes to the wrong label's logit minus the right label's logit.

    Args:
      features: float32 [rows, columns, width], the feature map of the photo.
      head: the trained layer.
      wrong: the column of the predicted label.
      right: the column of the true label.

    Returns:
      float32 [rows, columns]; its mean is the difference of the logits, which is the logarithm of the ratio of the scores.
    """
    evidence: npt.NDArray[np.float32] = class_activation_map(features, head.weights[:, wrong] - head.weights[:, right])
    evidence += head.biases[wrong] - head.biases[right]
    return evidence


def find_head(record: Mapping[str, Any]) -> Head | None:
    """Reads the trained layer of a finished run from its checkpoint or `.tflite`; None if neither is as the run wrote it."""
    for export in record.get("exports", []):
        path = Path(export.get("kept") or export["path"])
        if export["kind"] not in ("checkpoint", "tflite") or export.get("quantize", "none") != "none":
            continue
        if not path.is_file() or file_digest(path) != export.get("sha256"):
            continue
        labels = tuple(record["labels"])
        if export["kind"] == "checkpoint":
            with np.load(path, allow_pickle=False) as file:
                return _head_of_checkpoint(file, labels)
        try:
            return Head(*head_of(path), labels)
        except UserError:
            continue
    return None


def _head_of_checkpoint(file: Mapping[str, npt.NDArray[Any]], labels: tuple[str, ...]) -> Head:
    """Reads a head with its hidden layers from the arrays of a checkpoint (--checkpoint_path)."""
    activations = file["activations"].tolist() if "activations" in file else []
    hidden = tuple(
        Dense(file[f"hidden_{number}_weights"], file[f"hidden_{number}_biases"], activation)
        for number, activation in enumerate(activations, 1)
    )
    return Head(file["weights"], file["biases"], labels, hidden=hidden)
