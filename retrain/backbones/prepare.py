"""Prepares a pretrained network: its weights are converted once and then stored under their digest.

The network's family finds the weights and converts them; `model_folder` stores the files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from label_image.errors import RunError
from label_image.quiet import check_tensorflow
from retrain.backbones.family import no_weights
from retrain.backbones.lookup import architecture, family_of
from retrain.backbones.model_folder import KeptNetworks, ModelFolder
from retrain.backbones.network_layers import LayeredNetwork
from retrain.backbones.table import DEFAULT_ARCHITECTURE, Architecture
from retrain.types import Backbone


class NamedNetwork(KeptNetworks, Protocol):
    """The options for the network and the folder of its files."""

    @property
    def architecture(self) -> str: ...  # noqa: D102 - the flags with these names explain them
    @property
    def tfhub_module(self) -> str: ...  # noqa: D102


def prepare(network: NamedNetwork, say: Callable[[str], None]) -> Backbone:
    """Prepares a backbone.

    Args:
      network: the network, such as NetworkOptions.
      say: called with a line about work that takes long, such as a download or a conversion.

    Raises:
      UserError: the name is unknown, or a folder contains no module.
      RunError: the weights cannot be obtained or read; the message says what to do.
    """
    row = architecture(network.architecture, network.tfhub_module)
    folder = ModelFolder.of(network, say)
    family = family_of(row)
    found = family.find(row, folder)
    kept = folder.kept(row, found)
    return kept or folder.keep(row, found, *family.convert(row, found, folder, say))


def check_installed(network: NamedNetwork, row: Architecture) -> None:
    """Checks before the work that this network can be prepared, or is already.

    Raises:
      RunError: TensorFlow is needed to prepare it, and is not installed.
    """
    family = family_of(row)
    if family.to_layers or family.find is no_weights or ModelFolder.of(network, lambda _: None).has_kept(row):
        return
    check_tensorflow(row.name, f"use {DEFAULT_ARCHITECTURE}, which needs none")


def network_of(network: NamedNetwork) -> LayeredNetwork:
    """Returns a network as our own layers, for families that are stored in this form.

    Raises:
      RunError: the weights cannot be obtained, or the backbone is of another kind.
    """
    row = architecture(network.architecture, network.tfhub_module)
    family = family_of(row)
    if family.to_layers is None:
        raise RunError(f"{row.name} is not stored as layers")
    return family.to_layers(row, family.find(row, ModelFolder.of(network, print)))
