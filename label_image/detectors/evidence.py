"""Defines the facts that are collected from a classifier's file before anything is concluded from them, for every format alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from label_image.detectors.affine import Affine
from label_image.detectors.purpose import Output

RAW_DTYPES = ("uint8", "int8", "int16", "int32", "int64")


@dataclass(frozen=True)
class Range:
    """How pixels 0..255 become the input, (pixel - mean) / std, and whether that is certain."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    why: str
    sure: bool = True  # False if it follows only from names or conventions; messages then call it a guess
    order: str = "RGB"
    crop_px: int = (
        0  # crop the central square, resize it to this, then crop the input's size; 0 resizes without cropping
    )


def impossible(mean: tuple[float, ...], std: tuple[float, ...]) -> str:
    """Says what is impossible about a mean and standard deviation; "" if they are possible.

    >>> impossible((0.0,), (255.0,)), impossible((0.0,), (0.0,))
    ('', 'its std is [0], which must be above 0 and finite')
    """
    for name, numbers, lowest in (("mean", mean, -math.inf), ("std", std, 0.0)):
        shown = f"its {name} is [{', '.join(f'{number:g}' for number in numbers)}], which must"
        if not all(lowest < number < math.inf for number in numbers):
            return f"{shown} be {'above 0 and ' if name == 'std' else ''}finite"
        if len(numbers) not in (1, 3):
            return f"{shown} have one number or three"
    return ""


@dataclass(frozen=True)
class Evidence:
    """The facts of one file."""

    what: str  # "a frozen TensorFlow graph"
    shape: tuple[int, ...]  # of the input, batch included; -1 is an unknown size, () an unknown shape
    shape_why: str
    dtype: str = "float32"  # or one of RAW_DTYPES, or "string": the bytes of a photo's file
    names: str = ""  # of all operations, tensors and layers, one on each line
    input_layer: str = ""
    input_why: str = ""
    output_layer: str = ""
    output_why: str = ""
    output: str = "as is"  # "probabilities", "sigmoid", "logits", "as is", "unset"
    outputs: int = 0  # how many numbers it returns; 0 is unknown
    layout: str = ""  # "NCHW" if an operation states it
    affine: Affine | None = None
    calibrated: str = ""  # the range for which the first QUANTIZE was calibrated, such as "0..1"
    kernel_rms: float = 0.0  # root mean square of the weights of the first convolution; 0 is unknown
    resizes: bool = False  # the first operations of the graph resize its input
    range: Range | None = None  # if metadata in the file states it
    labels: tuple[str, ...] = ()
    labels_why: str = ""
    other_purpose: str = ""  # what the network is, if it is not a classifier of whole photos
    others: tuple[Output, ...] = ()  # all outputs of the network, if they are known
    notes: tuple[str, ...] = ()  # what was repaired, such as dropout that was still active
    facts: Mapping[str, str] = field(default_factory=dict)


def root_mean_square(kernel: npt.NDArray[np.generic] | None) -> float:
    """Computes the root mean square of a layer's weights; 0 if they are unknown or not finite.

    It is computed in float64 because the squares of large float32 numbers overflow.
    """
    if kernel is None or kernel.dtype.kind != "f" or not kernel.size:
        return 0.0
    with np.errstate(all="ignore"):
        found = float(np.sqrt(np.mean(np.asarray(kernel, np.float64) ** 2)))
    return found if np.isfinite(found) else 0.0
