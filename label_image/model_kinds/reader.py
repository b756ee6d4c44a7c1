"""Defines what the file of one kind of model supplies: functions that find its metadata and that open its runner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError
from label_image.model_file import ModelFile
from label_image.model_metadata import Metadata

if TYPE_CHECKING:  # a classifier with metadata needs none of it
    from label_image.detectors.evidence import Evidence

Floats = npt.NDArray[np.float32]
Typed = Mapping[str, Any]  # field of the metadata -> the value that the user typed


class Runner(Protocol):
    """Runs a network."""

    name: str

    def scores(self, batch: Floats) -> Floats:
        """float32 [n, height, width, channels] -> float32 [n, outputs]."""


@dataclass(frozen=True)
class FeatureMap:
    """The end of a network from its last feature map on: the map's mean over rows and columns, and a linear layer behind it.

    Attributes:
      open_values: opens the network; what it gives runs it: float32 [height, width, channels] -> float32 [1, rows, columns, width].
      weights: float32 [width, classes]; None where no layer follows.
      biases: float32 [classes]; None where there are none.
    """

    open_values: Callable[[], Callable[[Floats], Floats]]
    weights: Floats | None
    biases: Floats | None


def _no_metadata(_source: ModelFile, _typed: Typed) -> Metadata | None:
    return None


def _no_evidence(source: ModelFile, *_: str) -> Evidence:
    raise RunError(
        f"cannot use {source.path}: this {source.path.suffix or 'file'} has no metadata about its size, range and labels; "
        "only files from python -m retrain can be used"
    )


def _no_trial(_source: ModelFile, _metadata: Metadata, _picture: Callable[[], Floats]) -> Floats | None:
    return None


def _no_names(_: ModelFile, _fact: str) -> list[str]:
    return []


def _no_feature_map(source: ModelFile, _output_layer: str) -> FeatureMap:
    from label_image.detectors.pooled import NoExactMap

    ending = source.path.suffix or "file of this kind"
    raise NoExactMap(
        f"no heat map for {source.path}: only the scores of an {ending} can be computed; use the .tflite or .pb of the same run"
    )


@dataclass(frozen=True)
class ModelReader:
    """How one kind of model file is read and run; all but `open_runner` may be left out.

    Attributes:
      open_runner: gives what runs the file.
      metadata: what `python -m retrain` wrote inside; None where there is nothing. Gets what the user typed, by field, which
        `model_metadata.from_json` wants to know.
      evidence: what a file without such metadata shows of itself, given the names of its input and its output, or "".
      trial: runs a file that could end the process in another process first; gets a function that draws a picture. Gives
        the network's output in its own shape, or None where nothing was run.
      names: the names of its inputs ("input") or outputs ("output") as other programs show them.
      feature_map: what a heat map needs; raises NoExactMap where there is none.
      runner_each: whether each worker needs a runner of its own; else all share one.
    """

    open_runner: Callable[[ModelFile, Metadata], Runner]
    metadata: Callable[[ModelFile, Typed], Metadata | None] = _no_metadata
    evidence: Callable[[ModelFile, str, str], Evidence] = _no_evidence
    trial: Callable[[ModelFile, Metadata, Callable[[], Floats]], Floats | None] = _no_trial
    names: Callable[[ModelFile, str], list[str]] = _no_names
    feature_map: Callable[[ModelFile, str], FeatureMap] = _no_feature_map
    runner_each: bool = False
