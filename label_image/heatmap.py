"""Computes class activation maps, which show where in a photo the evidence for a label is (Zhou et al., 2016).

Our networks end with global average pooling of a feature map, followed by a linear layer. Each position of the map therefore
contributes to each logit, and the mean of the contributions is the logit: the map is exact, not an estimate. Networks of
another form have no such map and raise NoExactMap. A `.tflite` needs no TensorFlow.

Source: B. Zhou, A. Khosla, A. Lapedriza, A. Oliva, A. Torralba: Learning deep features for discriminative localization.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from label_image.detectors.pooled import NoExactMap, no_map
from label_image.find_metadata import open_model
from label_image.model_file import ModelFile
from label_image.model_kinds.table import kind_named
from label_image.photo_pixels import UInt8Image

__all__ = ["NoExactMap", "class_activation_map", "feature_maps", "for_and_against", "head_of", "overlay"]

Floats = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels

# Eleven points of the colour map inferno (S. van der Walt, N. Smith, CC0), which is almost linear between them. Its lightness
# rises evenly, so that it is readable in greyscale and with any kind of colour blindness.
_INFERNO = np.array(
    [
        (0, 0, 4), (22, 11, 57), (66, 10, 104), (106, 23, 110), (147, 38, 103), (188, 55, 84),
        (221, 81, 58), (243, 120, 25), (252, 165, 10), (246, 215, 70), (252, 255, 164),
    ],
    np.float32,
)  # fmt: skip
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601-2, as Pillow's
_DIMMED = 0.6  # brightness of the photo where there is no evidence
_COVER = 0.7  # opacity of the colour where the evidence is strongest
_RISE = 0.7  # exponent of the opacity; below 1, so that weak evidence is visible too


def feature_maps(graph: Path | ModelFile, output_layer: str = "") -> Callable[[Floats], Floats]:
    """Makes a function that computes a network's last feature map, before global average pooling.

    Args:
      graph: a headless backbone or a classifier: a `.tflite`, a `.pb`, a SavedModel folder or a Keras file; or one that
        has been read.
      output_layer: the output to use, if there are several.

    Returns:
      a function for one caller at a time: float32 [n, height, width, 3], normalised as the metadata states -> float32
      [n, rows, columns, width], dequantized. Its mean over rows and columns is the input of the final layer.

    Raises:
      NoExactMap: the network has another form.
      UserError: the file does not exist.
      RunError: the file cannot be run.
    """
    source = graph if isinstance(graph, ModelFile) else open_model(graph)
    values = kind_named(source.kind).reader.feature_map(source, output_layer).open_values()

    def run(batch: Floats) -> Floats:
        maps = [values(image) for image in batch]
        if any(found.ndim != 4 for found in maps):
            raise no_map(
                source.path,
                f"the input of its average pooling is not a map of rows and columns but has the shape {maps[0].shape[1:]}",
            )
        return np.concatenate(maps) if maps else np.zeros((0, 0, 0, 0), np.float32)

    return run


def head_of(graph: Path | ModelFile, output_layer: str = "") -> tuple[Floats, Floats]:
    """Reads the final linear layer of a classifier: logits = features @ weights + biases.

    Args:
      graph: as for `feature_maps`.
      output_layer: as for `feature_maps`.

    Returns:
      weights float32 [width, classes] and biases float32 [classes], dequantized. Several layers without an activation
      between them are multiplied into one; the original script added such a layer to MobileNet's own.

    Raises:
      NoExactMap: the network has another form, or no layer after the pooling.
    """
    source = graph if isinstance(graph, ModelFile) else open_model(graph)
    end = kind_named(source.kind).reader.feature_map(source, output_layer)
    if end.weights is None:
        raise no_map(source.path, "it ends with average pooling, and no layer follows")
    biases = np.zeros(end.weights.shape[1], np.float32) if end.biases is None else end.biases
    return np.asarray(end.weights, np.float32), np.asarray(biases, np.float32)


def class_activation_map(features: Floats, weights: Floats) -> Floats:
    """Computes the contribution of each position to a label's logit.

    Args:
      features: float32 [rows, columns, width], one photo's feature map.
      weights: float32 [width], the label's column of the final layer's weights.

    Returns:
      float32 [rows, columns]; its mean is the label's logit without the bias.

    >>> class_activation_map(np.float32([[[1, 2], [3, 0]]]), np.float32([1, -1])).tolist()
    [[-1.0, 3.0]]
    """
    contributions: Floats = features @ weights
    return contributions


def for_and_against(features: Floats, weights: Floats, biases: Floats, label: int) -> Floats:
    """Computes the evidence at each position: positive values speak for the label, negative values against it.

    Logits have no natural zero, because adding a number to all of them changes no score. Therefore the mean over all labels
    is subtracted, and the bias is added at every position. The value at a position is the logit, relative to the mean of
    all labels, of a photo that looks like this position everywhere.

    Args:
      features: float32 [rows, columns, width].
      weights: float32 [width, classes].
      biases: float32 [classes].
      label: which class.

    Returns:
      float32 [rows, columns]; its mean is the label's logit less the mean of all logits.
    """
    column = weights[:, label] - weights.mean(axis=1)
    evidence: Floats = class_activation_map(features, column) + np.float32(biases[label] - biases.mean())
    return evidence


def overlay(pixels: UInt8Image, cam: Floats, seen: Box | None = None, top: float | None = None) -> UInt8Image:
    """Draws the evidence for a label over a grey photo, from dark red (weak) to light yellow (strong).

    Evidence against the label stays grey, because a second colour scale would make the picture hard to read.

    Args:
      pixels: uint8 [height, width, 3], the photo, upright.
      cam: float32 [rows, columns]: from `for_and_against`, or any map in which zero means no evidence.
      seen: the part of the photo that the map covers; all of it if None. The rest is only dimmed.
      top: the value of the lightest colour; the largest value of the map if None. The same value for several photos makes
        them comparable.

    Returns:
      uint8 [height, width, 3].
    """
    height, width = pixels.shape[:2]
    top = float(cam.max()) if top is None else top
    relative = np.clip(cam / top, 0, 1).astype(np.float32) if top > 0 else np.zeros_like(cam)
    strength = _resized(relative, (height, width), seen or (0, 0, width, height))
    grey = (pixels @ _GREY)[..., None]
    cover = (_COVER * strength**_RISE)[..., None]
    drawn: UInt8Image = np.rint(grey * _DIMMED * (1 - cover) + _colours(strength) * cover).astype(np.uint8)
    return drawn


def _resized(relative: Floats, size: tuple[int, int], seen: Box) -> Floats:
    """Resizes the map to the photo's size by bilinear interpolation; 0 outside the part that it covers."""
    height, width = size
    left, top, right, bottom = (round(edge) for edge in seen)
    part = Image.fromarray(relative).resize((max(right - left, 1), max(bottom - top, 1)), Image.Resampling.BILINEAR)
    whole = Image.new("F", (width, height))
    whole.paste(part, (left, top))
    strength: Floats = np.clip(np.asarray(whole), 0, 1)
    return strength


def _colours(strength: Floats) -> Floats:
    """Colours a map: float32 [height, width] in 0..1 -> float32 [height, width, 3], 0..255."""
    at = strength * (len(_INFERNO) - 1)
    points = np.arange(len(_INFERNO))
    channels = [np.interp(at, points, _INFERNO[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)
