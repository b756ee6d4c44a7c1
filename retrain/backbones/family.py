"""What a family of networks offers, whichever source its networks come from.

One file in `families/` makes one `Family`; its row in `table.FAMILIES` makes it known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from label_image.errors import UserError
from retrain.backbones.frozen_graph import Forms
from retrain.backbones.model_folder import ModelFolder, Weights
from retrain.backbones.network_layers import Network
from retrain.backbones.table import Architecture
from retrain.backbones.trainable import Building, Trainable


class Find(Protocol):
    """Finds, or brings, the weights of a network."""

    def __call__(self, row: Architecture, folder: ModelFolder) -> Weights:
        """Raises RunError where they are not to be had, UserError where what was named is not a network."""


class Convert(Protocol):
    """Makes the files of a backbone from its weights; `say` is called with a line about long work."""

    def __call__(self, row: Architecture, found: Weights, folder: ModelFolder, say: Callable[[str], None]) -> Forms:
        """Raises RunError where the weights cannot be used."""


class MakeTrainable(Protocol):
    """Builds the network so that it can be trained."""

    def __call__(self, row: Architecture, building: Building, folder: ModelFolder) -> Trainable:
        """Raises UserError where it cannot be trained so, RunError where its weights are not to be had."""


class Check(Protocol):
    """Refuses, before the work, what does not go with the network."""

    def __call__(self, row: Architecture, building: Building) -> None:
        """Raises UserError, naming the flag."""


class ToLayers(Protocol):
    """Reads the weights as layers of our own."""

    def __call__(self, row: Architecture, found: Weights) -> Network:
        """Raises RunError where they cannot be read."""


def nothing_to_check(row: Architecture, building: Building) -> None:
    """The check of a family that can be trained in every way."""


def no_weights(row: Architecture, folder: ModelFolder) -> Weights:  # noqa: ARG001 - one signature for all
    """The search of a family that has no pretrained weights.

    Raises:
      UserError: always; the line says how such a network is trained.
    """
    raise UserError(
        f"{row.name} has no trained weights: give --weights=none --train=all, and it begins with random ones"
    )


def no_forms(row: Architecture, found: Weights, folder: ModelFolder, say: Callable[[str], None]) -> Forms:  # noqa: ARG001
    """The conversion of a family that has no pretrained weights."""
    raise AssertionError(f"{row.name} has no pretrained weights, and `no_weights` says so before")


@dataclass(frozen=True)
class Family:
    """One family of networks."""

    architectures: tuple[Architecture, ...]  # those that are known by name
    find: Find = no_weights
    convert: Convert = no_forms
    make_trainable: MakeTrainable | None = None  # None: its networks cannot be trained
    check: Check = nothing_to_check
    to_layers: ToLayers | None = None  # where its networks are kept as layers of our own
    small: bool = False  # whether --batch_norm, --feature_maps and --image_size shape its networks
