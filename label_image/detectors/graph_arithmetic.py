"""Reads the arithmetic that a GraphDef applies to its input before the first layer of the network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.detectors.affine import ADD, DIV, MUL, SUB, Affine, after, reverse_channels
from label_image.detectors.net import PASS_ON, RESHAPES, Net

RESIZES = ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic")
_ARITHMETIC = {"Add": ADD, "AddV2": ADD, "BiasAdd": ADD, "Sub": SUB, "Mul": MUL, "RealDiv": DIV, "Div": DIV}
_ARITHMETIC |= dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), "")
_VALUE_PRESERVING = (
    *PASS_ON,
    *RESHAPES,
    "Pad",
    "PadV2",
    "MirrorPad",
    *RESIZES,
    "ReverseV2",
)  # do not change the values
_INSPECTIONS = ("Shape", "Rank", "Size", "Assert", "ImageSummary", "HistogramSummary", "ScalarSummary")


def affine(net: Net, source: str) -> Affine | None:
    """The affine function that the graph applies to its input before the first layer; None if there is none."""
    found, at = Affine(), source
    for _ in range(24):
        step = _next_step(net, at, found)
        if step is None:
            break
        at, found = step
        if found.stats:
            break
    return found if found.changes else None


def _next_step(net: Net, at: str, found: Affine) -> tuple[str, Affine] | None:
    """The node that follows `at` and the function up to it; None if it is not arithmetic with constants."""
    readers = [name for name in net.readers.get(at, []) if net.op(name) not in _INSPECTIONS]
    for name in readers:
        op, sources = net.op(name), net.sources(name)
        if op in _VALUE_PRESERVING and sources[0] == at:
            return name, reverse_channels(found) if _reverses_channels(net, name) else found
        if op not in _ARITHMETIC or len(readers) > 1:
            continue
        numbers = [net.constant(source) for source in sources if source != at]
        known = [number for number in numbers if number is not None]
        if not known or len(known) < len(numbers):
            continue
        if op.startswith("FusedBatchNorm"):
            statistics = _statistics(known)
            return (name, replace(found, stats=statistics, where=_joined(found.where, name))) if statistics else None
        done = after(found, _ARITHMETIC[op], known[0], first=sources[0] == at, name=name)
        return (name, done) if done is not None else None
    return None


def _statistics(numbers: list[npt.NDArray[Any]]) -> tuple[tuple[float, ...], ...]:
    """Mean and standard deviation of a batch normalisation, given its scale, offset, mean and variance; () if they are unusable."""
    if len(numbers) < 4 or numbers[2].shape != numbers[3].shape or not 0 < numbers[2].size <= 4:
        return ()
    with np.errstate(all="ignore"):
        mean, deviation = np.asarray(numbers[2], np.float64), np.sqrt(np.asarray(numbers[3], np.float64))
    if not (np.isfinite(mean).all() and np.isfinite(deviation).all() and deviation.all()):
        return ()
    return tuple(map(float, mean.reshape(-1))), tuple(map(float, deviation.reshape(-1)))


def _reverses_channels(net: Net, name: str) -> bool:
    """Whether an operation reverses the last axis, which is the channels."""
    sources = net.sources(name)
    if net.op(name) == "ReverseV2":
        axes = net.constant(sources[1])
        return axes is not None and axes.size == 1 and int(axes.reshape(-1)[0]) in (-1, 3)
    if net.op(name) == "StridedSlice" and len(sources) == 4:
        strides = net.constant(sources[3])
        return strides is not None and strides.size > 0 and int(strides.reshape(-1)[-1]) == -1
    return False


def _joined(before: str, name: str) -> str:
    return f"{before} and {name}" if before else name
