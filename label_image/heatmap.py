"""A classifier and a photo in, what speaks for a label and where out: class activation maps (Zhou et al., 2016).

Our networks end with the mean of a feature map over rows and columns, and a linear layer. So each place of the map has a
share of each logit, and the shares' mean is the logit: the map is exact, no estimate. Networks of another form have no such
map, and that is said (NoExactMap). Light: a `.tflite` needs no TensorFlow.

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

# From dark to light in even steps, told apart with any kind of colour blindness and in grey: eleven points of the colour map
# inferno (S. van der Walt, N. Smith, CC0); between them it is all but straight.
_INFERNO = np.array(
    [
        (0, 0, 4), (22, 11, 57), (66, 10, 104), (106, 23, 110), (147, 38, 103), (188, 55, 84),
        (221, 81, 58), (243, 120, 25), (252, 165, 10), (246, 215, 70), (252, 255, 164),
    ],
    np.float32,
)  # fmt: skip
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601-2, as Pillow's
_DIMMED = 0.6  # of the photo's light where nothing speaks for the label
_COVER = 0.7  # how far the colour hides the photo where most speaks for it
_RISE = 0.7  # below 1: weak evidence is seen too


def feature_maps(graph: Path | ModelFile, output_layer: str = "") -> Callable[[Floats], Floats]:
    """The last feature map of a network, before the mean over rows and columns.

    Args:
      graph: a headless backbone or a classifier: a `.tflite`, a `.pb`, a SavedModel folder or a Keras file; or what was
        read of one.
      output_layer: which output, where it has several.

    Returns:
      a function, for one caller at a time: float32 [n, height, width, 3], normalised as the network's metadata says -> float32
      [n, rows, columns, width]; dequantized. Its mean over rows and columns is what the layer behind it reads.

    Raises:
      NoExactMap: the network is of another form.
      UserError: there is no such file.
      RunError: it can not be run.
    """
    source = graph if isinstance(graph, ModelFile) else open_model(graph)
    values = kind_named(source.kind).reader.feature_map(source, output_layer).open_values()

    def run(batch: Floats) -> Floats:
        maps = [values(image) for image in batch]
        if any(found.ndim != 4 for found in maps):
            raise no_map(source.path, f"what its mean reads is no map of rows and columns, but {maps[0].shape[1:]}")
        return np.concatenate(maps) if maps else np.zeros((0, 0, 0, 0), np.float32)

    return run


def head_of(graph: Path | ModelFile, output_layer: str = "") -> tuple[Floats, Floats]:
    """The linear layer of a classifier: logits = features @ weights + biases.

    Args:
      graph: as for `feature_maps`.
      output_layer: as for `feature_maps`.

    Returns:
      weights float32 [width, classes] and biases float32 [classes]; dequantized. Several layers without an activation
      between them, as the original put one behind MobileNet's own, are multiplied into one.

    Raises:
      NoExactMap: the network is of another form, or has no layer behind the mean.
    """
    source = graph if isinstance(graph, ModelFile) else open_model(graph)
    end = kind_named(source.kind).reader.feature_map(source, output_layer)
    if end.weights is None:
        raise no_map(source.path, "it ends with the mean, no layer follows")
    biases = np.zeros(end.weights.shape[1], np.float32) if end.biases is None else end.biases
    return np.asarray(end.weights, np.float32), np.asarray(biases, np.float32)


def class_activation_map(features: Floats, weights: Floats) -> Floats:
    """What each place adds to a label's logit.

    Args:
      features: float32 [rows, columns, width], one photo's feature map.
      weights: float32 [width], the label's column of the layer.

    Returns:
      float32 [rows, columns]; its mean is the label's logit without the bias.

    >>> class_activation_map(np.float32([[[1, 2], [3, 0]]]), np.float32([1, -1])).tolist()
    [[-1.0, 3.0]]
    """
    shares: Floats = features @ weights
    return shares


def for_and_against(features: Floats, weights: Floats, biases: Floats, label: int) -> Floats:
    """The same with a zero that means something: above it a place speaks for the label, below against.

    A logit alone has no zero: a number added to all labels' logits changes no score. So the mean of all labels is taken
    off, and the bias belongs to every place alike. A place then has the logit, against the labels' mean, that a photo
    would get that looks like this place everywhere.

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
    """Draws what speaks for a label over a photo: the photo in grey, and over it dark red to light yellow, the more the lighter.

    What speaks against it is left grey: a second scale of colours makes two pictures that have to be read at once.

    Args:
      pixels: uint8 [height, width, 3], the photo, upright.
      cam: float32 [rows, columns]: of `for_and_against`, or any map whose zero means nothing for, nothing against.
      seen: the part of the photo that the map covers; all of it if left out. What lies outside is only dimmed.
      top: the value that gets the lightest colour; the map's largest if left out, so that each photo's map can be read.
        One value for several photos makes them comparable.

    Returns:
      uint8 [height, width, 3].
    """
    height, width = pixels.shape[:2]
    top = float(cam.max()) if top is None else top
    share = np.clip(cam / top, 0, 1).astype(np.float32) if top > 0 else np.zeros_like(cam)
    strength = _placed(share, (height, width), seen or (0, 0, width, height))
    grey = (pixels @ _GREY)[..., None]
    cover = (_COVER * strength**_RISE)[..., None]
    drawn: UInt8Image = np.rint(grey * _DIMMED * (1 - cover) + _colours(strength) * cover).astype(np.uint8)
    return drawn


def _placed(share: Floats, size: tuple[int, int], seen: Box) -> Floats:
    """The map at the photo's size, between its places in a straight line; 0 where it does not reach."""
    height, width = size
    left, top, right, bottom = (round(edge) for edge in seen)
    part = Image.fromarray(share).resize((max(right - left, 1), max(bottom - top, 1)), Image.Resampling.BILINEAR)
    whole = Image.new("F", (width, height))
    whole.paste(part, (left, top))
    strength: Floats = np.clip(np.asarray(whole), 0, 1)
    return strength


def _colours(strength: Floats) -> Floats:
    """float32 [height, width] in 0..1 -> float32 [height, width, 3], 0..255."""
    at = strength * (len(_INFERNO) - 1)
    points = np.arange(len(_INFERNO))
    channels = [np.interp(at, points, _INFERNO[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)
