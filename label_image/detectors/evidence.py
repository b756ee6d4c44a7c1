"""What a reader found in a file, before anything is concluded from it; the same nouns for every format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from label_image.detectors.affine import Affine
from label_image.detectors.purpose import Output

RAW_DTYPES = ("uint8", "int8", "int16", "int32", "int64")


@dataclass(frozen=True)
class Range:
    """How pixels 0..255 become the input: (pixel - mean) / std, and how sure that is."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    why: str
    sure: bool = True  # False where only names or habits tell it, which is called a guess
    order: str = "RGB"
    crop_px: int = (
        0  # cut the middle square out, make it this large, cut the input's size out of its middle; 0 squashes
    )


@dataclass(frozen=True)
class Evidence:
    """The facts of one file."""

    what: str  # "a frozen TensorFlow graph"
    shape: tuple[int, ...]  # of the input with its batch; -1 is unknown; () is nothing known
    shape_why: str
    dtype: str = "float32"  # or one of RAW_DTYPES, or "string": the bytes of a photo's file
    names: str = ""  # every operation, tensor and layer, a line each
    input_layer: str = ""
    input_why: str = ""
    output_layer: str = ""
    output_why: str = ""
    output: str = "as is"  # "probabilities", "sigmoid", "logits", "as is", "unset"
    outputs: int = 0  # how many numbers it gives; 0 is unknown
    layout: str = ""  # "NCHW" where an operation says so
    affine: Affine | None = None
    calibrated: str = ""  # the range for which a QUANTIZE at the front was made: "0..1"
    kernel_rms: float = 0.0  # of the first convolution's weights; 0 is unknown
    resizes: bool = False  # the graph makes its input another size at once
    range: Range | None = None  # where metadata says it
    labels: tuple[str, ...] = ()
    labels_why: str = ""
    seems: str = ""  # what it is, where it is no classifier of whole photos
    others: tuple[Output, ...] = ()  # all its outputs, where they are known
    notes: tuple[str, ...] = ()  # what was mended: dropout, extra placeholders
    facts: Mapping[str, str] = field(default_factory=dict)


def root_mean_square(kernel: npt.NDArray[np.generic] | None) -> float:
    """How large the weights of a layer are; 0 where that is not known or no number.

    Squares of float32 numbers do not fit into float32, so they are taken as float64.
    """
    if kernel is None or kernel.dtype.kind != "f" or not kernel.size:
        return 0.0
    with np.errstate(all="ignore"):
        found = float(np.sqrt(np.mean(np.asarray(kernel, np.float64) ** 2)))
    return found if np.isfinite(found) else 0.0
