"""Draws the kernels of a network's first convolution, which show the simplest patterns that the network responds to."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from label_image.detectors.tflite_file import TfliteFile

_SIDE_PX = 33  # least side of a kernel in the picture
_GAP_PX = 2  # between two kernels


def first_kernels(arrays: Iterable[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32] | None:
    """Returns the kernels of the first convolution of pixels: [height, width, 1 or 3, kernels]; None if there is none."""
    return next((one for one in arrays if one.ndim == 4 and one.shape[2] in (1, 3) and one.shape[0] > 1), None)


def kernels_of_tflite(path: Path) -> npt.NDArray[np.float32] | None:
    """Returns the kernels of the first convolution of a `.tflite` file, like `first_kernels`.

    Raises:
      OSError: the file cannot be read.
      RunError: the file is damaged.
    """
    file = TfliteFile(path)
    kernels = (file.sources(operator)[1] for operator in file.operators if file.op(operator) == "CONV_2D")
    arrays = (file.numbers(tensor) for tensor in kernels if file.dtype(tensor) == "float32")
    return first_kernels(one.transpose(1, 2, 3, 0) for one in arrays if one is not None)


def kernels_picture(kernels: npt.NDArray[np.float32]) -> bytes:
    """Draws all kernels in a grid as a PNG, each scaled from its smallest weight (dark) to its largest (light).

    Args:
      kernels: float32 [height, width, 1 or 3, kernels].
    """
    height, width, _, count = kernels.shape
    times = max(1, math.ceil(_SIDE_PX / max(height, width)))
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    cell = height * times + _GAP_PX, width * times + _GAP_PX
    sheet = np.full((down * cell[0] + _GAP_PX, across * cell[1] + _GAP_PX, 3), 255, np.uint8)
    for place in range(count):
        kernel = kernels[..., place]
        least, most = float(kernel.min()), float(kernel.max())
        shades = np.uint8(np.rint(255 * (kernel - least) / (most - least or 1)))
        large = np.broadcast_to(shades, (height, width, 3)).repeat(times, 0).repeat(times, 1)
        top, left = _GAP_PX + place // across * cell[0], _GAP_PX + place % across * cell[1]
        sheet[top : top + height * times, left : left + width * times] = large
    out = io.BytesIO()
    Image.fromarray(sheet).save(out, "PNG")
    return out.getvalue()
