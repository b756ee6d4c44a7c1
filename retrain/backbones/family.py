"""Defines what a family of networks must provide, whatever the source of its networks is.

Each file in `families/` defines one `Family`, and a row in `table.FAMILIES` makes it known to the tool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from label_image.errors import UserError
from retrain.backbones.frozen_graph import Forms
from retrain.backbones.model_folder import FoundWeights, ModelFolder
from retrain.backbones.network_layers import LayeredNetwork
from retrain.backbones.table import Architecture
from retrain.backbones.trainable import Building, Trainable


class Find(Protocol):
    """Finds or downloads the weights of a network."""

    def __call__(self, row: Architecture, folder: ModelFolder) -> FoundWeights:
        """Raises RunError if the weights cannot be obtained, and UserError if the user named something that is not a network."""


class Convert(Protocol):
    """Makes the files of a backbone from its weights; `say` is called with a line about work that takes long."""

    def __call__(
        self, row: Architecture, found: FoundWeights, folder: ModelFolder, say: Callable[[str], None]
    ) -> Forms:
        """Raises RunError if the weights cannot be used."""


class MakeTrainable(Protocol):
    """Builds the network so that it can be trained."""

    def __call__(self, row: Architecture, building: Building, folder: ModelFolder) -> Trainable:
        """Raises UserError if the network cannot be trained in this way, and RunError if its weights cannot be obtained."""


class Check(Protocol):
    """Refuses options that are not valid for the network, before the work begins."""

    def __call__(self, row: Architecture, building: Building) -> None:
        """Raises UserError that names the flag."""


class ToLayers(Protocol):
    """Converts the weights to our own layers."""

    def __call__(self, row: Architecture, found: FoundWeights) -> LayeredNetwork:
        """Raises RunError if the weights cannot be read."""


def nothing_to_check(row: Architecture, building: Building) -> None:
    """Accepts all options: the check of a family that can be trained in every way."""


def no_weights(row: Architecture, folder: ModelFolder) -> FoundWeights:  # noqa: ARG001 - all families have the same signature
    """Refuses: the search for weights in a family that has no pretrained weights.

    Raises:
      UserError: always; the message says how such a network is trained.
    """
    raise UserError(
        f"{row.name} has no pretrained weights; add --weights=none --train=all to train it from random weights"
    )


def no_forms(row: Architecture, found: FoundWeights, folder: ModelFolder, say: Callable[[str], None]) -> Forms:  # noqa: ARG001
    """Is never called: the conversion in a family that has no pretrained weights."""
    raise AssertionError(f"{row.name} has no pretrained weights, and `no_weights` refuses it before")


@dataclass(frozen=True)
class Family:
    """One family of networks."""

    architectures: tuple[Architecture, ...]  # the networks that are known by name
    find: Find = no_weights
    convert: Convert = no_forms
    make_trainable: MakeTrainable | None = None  # None: its networks cannot be trained
    check: Check = nothing_to_check
    to_layers: ToLayers | None = None  # for networks that are stored as our own layers
    small: bool = False  # whether --batch_norm, --feature_maps and --image_size apply to its networks
