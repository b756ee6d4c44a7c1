"""Mistakes in, two pictures for each out: where the photo spoke for the wrong label, and where for the right one."""

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

Pair = tuple[Image.Image, Image.Image]  # for the wrong label, for the right one


def heat_maps(backbone: Mapping[str, Any], head: Head, mistakes: Sequence[Mapping[str, Any]]) -> Iterator[Pair | None]:
    """Draws what made the difference between the label given and the right one.

    Each place of the feature map adds its share to the difference of the two logits, and the shares' mean is the
    difference. Where it is positive the photo speaks for the wrong label, where it is negative for the right one; both
    pictures have one scale.

    Args:
      backbone: of the record.
      head: the trained layer; with hidden layers there is no such map.
      mistakes: of the record's test photos.

    Yields:
      a pair for each mistake; None for a photo that is gone, or has changed.

    Raises:
      UserError: the network is not there, or has no such map; NoExactMap is one.
    """
    if head.hidden:
        raise NoExactMap(
            "the layer stands on hidden layers, behind which no place of a photo has an exact share of a score"
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
            shares = difference_map(maps(pixels[None])[0], head, *columns)
            top = float(np.abs(shares).max())
            return (
                Image.fromarray(overlay(small, shares, top=top)),
                Image.fromarray(overlay(small, -shares, top=top)),
            )

        return work

    return map_ordered(make_worker, mistakes, cores())


def difference_map(features: npt.NDArray[np.float32], head: Head, wrong: int, right: int) -> npt.NDArray[np.float32]:
    """What each place adds to the wrong label's logit, less what it adds to the right one's.

    Args:
      features: float32 [rows, columns, width], the photo's feature map.
      head: the trained layer.
      wrong: the column of the label given.
      right: the column of the true label.

    Returns:
      float32 [rows, columns]; its mean is the difference of the two logits, the logarithm of the scores' ratio.
    """
    shares: npt.NDArray[np.float32] = class_activation_map(features, head.weights[:, wrong] - head.weights[:, right])
    shares += head.biases[wrong] - head.biases[right]
    return shares


def find_head(record: Mapping[str, Any]) -> Head | None:
    """The trained layer of a run that is over: from its checkpoint or its `.tflite`, if one is still what the run wrote."""
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
    """What `--checkpoint_path` holds, hidden layers included."""
    activations = file["activations"].tolist() if "activations" in file else []
    hidden = tuple(
        Dense(file[f"hidden_{number}_weights"], file[f"hidden_{number}_biases"], activation)
        for number, activation in enumerate(activations, 1)
    )
    return Head(file["weights"], file["biases"], labels, hidden=hidden)
