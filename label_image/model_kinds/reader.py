"""Defines the functions that the module of a kind of model supplies: they find its metadata and make its runner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError
from label_image.model_file import ModelFile
from label_image.model_metadata import Metadata

if TYPE_CHECKING:  # not needed for a classifier with metadata
    from label_image.detectors.evidence import Evidence

Floats = npt.NDArray[np.float32]
Typed = Mapping[str, Any]  # field of the metadata -> the value that the user typed


class Runner(Protocol):
    """Runs a network."""

    name: str

    def scores(self, batch: Floats) -> Floats:
        """Computes the outputs: float32 [n, height, width, channels] -> float32 [n, outputs]."""


@dataclass(frozen=True)
class FeatureMap:
    """The part of a network after its last feature map: the mean of the map over rows and columns, and a linear layer.

    Attributes:
      open_values: opens the network; returns a function float32 [height, width, channels] -> float32 [1, rows, columns, width].
      weights: float32 [width, classes]; None if no layer follows.
      biases: float32 [classes]; None if there are none.
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
    """How one kind of model file is read and run; all functions except `open_runner` are optional.

    Attributes:
      open_runner: makes the runner of the file.
      metadata: reads the metadata that `python -m retrain` wrote; None if there is none. Gets the values that the user typed, by
        field, for `model_metadata.from_json`.
      evidence: collects the evidence in a file without such metadata; gets the names of its input and its output, or "".
      trial: runs a file that could crash the process once in a child process; gets a function that draws a picture. Returns the
        network's output in its own shape, or None if nothing was run.
      names: the names of its inputs ("input") or outputs ("output") as other programs show them.
      feature_map: returns the part of the network that a heat map needs; raises NoExactMap if there is none.
      runner_each: whether each worker needs its own runner; otherwise all workers share one.
    """

    open_runner: Callable[[ModelFile, Metadata], Runner]
    metadata: Callable[[ModelFile, Typed], Metadata | None] = _no_metadata
    evidence: Callable[[ModelFile, str, str], Evidence] = _no_evidence
    trial: Callable[[ModelFile, Metadata, Callable[[], Floats]], Floats | None] = _no_trial
    names: Callable[[ModelFile, str], list[str]] = _no_names
    feature_map: Callable[[ModelFile, str], FeatureMap] = _no_feature_map
    runner_each: bool = False
