"""Computes the affine function that a graph applies to its pixels first, and the range of input that follows from it.

Scale and offset are kept as a pair, for each channel, because only the pair determines the range: 255 x input - 127 expects
0..1, and 1 x input - 127 expects 0..255, although the offset is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

ADD, SUB, MUL, DIV = "ADD", "SUB", "MUL", "DIV"

# The ranges of input that a network may expect, as (lowest, highest).
RANGES = {"0..255": (0.0, 255.0), "0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0)}
# The mean of ImageNet for red, green and blue, divided by 255: as torchvision and as Caffe use it.
_IMAGENET_MEANS = ((0.485, 0.456, 0.406), (123.68 / 255, 116.779 / 255, 103.939 / 255))
_MEAN_WITHIN = 0.01
_CALIBRATED = 0.1  # relative to the width of the range: calibration photos seldom reach both of its ends
_PIXEL_NEAR = 0.2  # 0..255 must begin at 0: a range that begins at -0.5 has another meaning
_NEAR = 0.03  # relative to the width of the range: networks divide by 255, 256 or 250
_MOST_CHANNELS = 4


@dataclass(frozen=True)
class Affine:
    """The function that the graph applies to its input first: result = scale * input + offset.

    Attributes:
      scale: one number, or one for each channel.
      offset: as many numbers as scale.
      where: the names of the operations, for messages; "" if there are none yet.
      channels_reversed: whether the order of the channels is reversed before the first constant that has one number for each channel.
      stats: mean and standard deviation of the batch normalisation that follows, for each channel; () if there is none.
    """

    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    where: str = ""
    channels_reversed: bool = False
    stats: tuple[tuple[float, ...], ...] = ()

    @property
    def changes(self) -> bool:
        """Whether it changes the input at all."""
        return bool(self.stats) or any(scale != 1 for scale in self.scale) or any(self.offset)


def after(now: Affine, op: str, numbers: npt.NDArray[Any], *, first: bool, name: str) -> Affine | None:
    """Composes the function with one more operation.

    Args:
      now: the function so far.
      op: ADD, SUB, MUL or DIV.
      numbers: the constant operand.
      first: whether the function so far is the first of the two operands.
      name: the name of the operation, for messages.

    Returns:
      None if the result is not an affine function per channel (the constant is zero, not finite, or differs by position).

    >>> after(Affine(), SUB, np.float32([127]), first=True, name="s")
    Affine(scale=(1.0,), offset=(-127.0,), where='s', channels_reversed=False, stats=())
    >>> after(Affine(), DIV, np.float32([0]), first=True, name="d") is None
    True
    """
    constant = by_channel(numbers)
    if constant is None or (op == DIV and not first):
        return None
    with np.errstate(all="ignore"):
        scale, offset = (np.asarray(values, np.float64) for values in (now.scale, now.offset))
        if op == ADD:
            scale, offset = scale + 0 * constant, offset + constant
        elif op == SUB:
            sign = 1 if first else -1
            scale, offset = sign * scale + 0 * constant, sign * (offset - constant)
        elif op == MUL:
            scale, offset = scale * constant, offset * constant
        else:
            scale, offset = scale / constant, offset / constant
    if not (np.isfinite(scale).all() and np.isfinite(offset).all() and scale.all()):
        return None
    changed = (constant != (0 if op in (ADD, SUB) else 1)).any() or (op == SUB and not first)
    where = " and ".join(filter(None, (now.where, name if changed else "")))
    return replace(now, scale=_numbers(scale), offset=_numbers(offset), where=where)


def by_channel(numbers: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    """Returns a constant as one number or one for each channel, a mean image as the median of each channel; None for other shapes."""
    values = np.asarray(numbers, np.float64)
    if values.size == 1:
        return values.reshape(1)
    if values.size <= _MOST_CHANNELS:
        flat = values.reshape(-1)
        return flat[:1] if (flat == flat[0]).all() else flat
    if values.ndim >= 3 and values.shape[-1] in (1, 3):
        return np.asarray(np.median(values.reshape(-1, values.shape[-1]), axis=0))
    return None


def reverse_channels(now: Affine) -> Affine:
    """Reverses the order of the channels; constants that came before keep the order of the input."""
    return now if len(now.scale) > 1 else replace(now, channels_reversed=not now.channels_reversed)


def input_range(affine: Affine) -> str:
    """The range of input that the function maps to a range on which networks are usually trained; "" if none or several fit.

    >>> input_range(Affine((255.0,), (-127.0,))), input_range(Affine((1 / 127.5,), (-1.0,))), input_range(Affine((2.0,), (-1.0,)))
    ('0..1', '0..255', '0..1')
    >>> input_range(Affine((127.5,), (127.5,))), input_range(Affine((0.5,), (0.0,)))
    ('-1..1', '')
    """
    for fits in (_matches_statistics,) if affine.stats else (_maps_to_usual_range, _standardises):
        found = [name for name in RANGES if fits(affine, name)]
        if found:
            return found[0] if len(found) == 1 else ""
    return ""


def calibrated_range(affine: Affine, low: float, high: float) -> str:
    """The range of input for which the QUANTIZE that follows was calibrated; "" if none or several fit.

    Args:
      affine: the function in front of it.
      low: the smallest number that the quantized type can represent.
      high: the largest.

    >>> calibrated_range(Affine(), -1.0, 0.99), calibrated_range(Affine((255.0,), (0.0,)), 0.0, 254.0), calibrated_range(Affine(), -3.0, 3.0)
    ('-1..1', '0..1', '')
    """
    if max(len(affine.scale), len(affine.offset)) > 1 or affine.scale[0] <= 0:
        return ""
    least, most = ((end - affine.offset[0]) / affine.scale[0] for end in (low, high))
    found = []
    for name, (lowest, highest) in RANGES.items():
        span = highest - lowest
        if (
            abs(least - lowest) <= _CALIBRATED * span
            and -_CALIBRATED * span <= highest - most <= 2 * _CALIBRATED * span
        ):
            found.append(name)
    return found[0] if len(found) == 1 else ""


def channel_order(affine: Affine) -> str:
    """The order of the channels, RGB or BGR, if the constants are the mean of ImageNet in that order; "" if they are not."""
    scale, offset = np.asarray(affine.scale), np.asarray(affine.offset)
    if affine.stats or max(scale.size, offset.size) != 3 or input_range(affine) not in ("0..255", "0..1"):
        return ""
    share = -offset / scale / RANGES[input_range(affine)][1]
    for mean in _IMAGENET_MEANS:
        for name, wanted in (("RGB", mean), ("BGR", mean[::-1])):
            if np.abs(share - wanted).max() <= _MEAN_WITHIN:
                return {"RGB": "BGR", "BGR": "RGB"}[name] if affine.channels_reversed else name
    return ""


def _maps_to_usual_range(affine: Affine, name: str) -> bool:
    """Whether every channel of this input is mapped to 0..1, -1..1, 0..255, or 0..255 minus a mean."""
    scale, offset = np.asarray(affine.scale), np.asarray(affine.offset)
    one, other = (scale * end + offset for end in RANGES[name])
    low, high = np.minimum(one, other), np.maximum(one, other)

    def is_range(lowest: float, highest: float) -> npt.NDArray[np.bool_]:
        off = np.maximum(np.abs(low - lowest), np.abs(high - highest))
        return np.asarray(off <= _NEAR * (highest - lowest))

    fits = is_range(0, 1) | is_range(-1, 1) | (is_range(0, 255) & (np.abs(low) < _PIXEL_NEAR))
    fits |= (np.abs(high - low - 255) <= _NEAR * 255) & (low >= -165) & (low <= -80)
    if name != "-1..1":  # half of -1..1 is not a range that networks use
        fits |= is_range(-0.5, 0.5)
    if name == "0..255":
        fits |= is_range(0, 2)
    return bool(fits.all())


def _standardises(affine: Affine, name: str) -> bool:
    """Whether it subtracts a mean and divides by a standard deviation that are plausible for images in this range."""
    scale, offset = np.asarray(affine.scale), np.asarray(affine.offset)
    if not offset.any():
        return False
    lowest, highest = RANGES[name]
    mean, deviation = (-offset / scale - lowest) / (highest - lowest), 1 / np.abs(scale) / (highest - lowest)
    return bool(((mean >= 0.08) & (mean <= 0.65) & (deviation >= 0.18) & (deviation <= 0.42)).all())


def _matches_statistics(affine: Affine, name: str) -> bool:
    """Whether the statistics of the batch normalisation are plausible for photos in this range."""
    scale, offset = np.asarray(affine.scale), np.asarray(affine.offset)
    mean, deviation = (np.asarray(values) for values in affine.stats)
    lowest, span = RANGES[name][0], RANGES[name][1] - RANGES[name][0]
    middle = ((mean - offset) / scale - lowest) / span
    share = deviation / np.abs(scale) / span
    return bool(((middle >= 0.12) & (middle <= 0.7) & (share >= 0.14) & (share <= 0.5)).all())


def _numbers(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in values.reshape(-1))
