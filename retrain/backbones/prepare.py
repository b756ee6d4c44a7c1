"""Makes a pretrained network ready to run: converted from its weights once, then kept under their digest.

The family of the network finds the weights and converts them; `model_folder` keeps the files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from label_image.errors import RunError
from retrain.backbones.lookup import architecture, family_of
from retrain.backbones.model_folder import KeptNetworks, ModelFolder
from retrain.backbones.network_layers import Network
from retrain.types import Backbone


class NamedNetwork(KeptNetworks, Protocol):
    """Which network is meant, and where its files are looked for and kept."""

    @property
    def architecture(self) -> str: ...  # noqa: D102 - the flags of these names say it
    @property
    def tfhub_module(self) -> str: ...  # noqa: D102


def prepare(network: NamedNetwork, say: Callable[[str], None]) -> Backbone:
    """Makes a backbone ready.

    Args:
      network: which one; NetworkOptions, for example.
      say: called with a line about long work: a download, a conversion.

    Raises:
      UserError: an unknown name, or a folder that holds no module.
      RunError: weights that are not to be had or cannot be read; the line says what to do.
    """
    row = architecture(network.architecture, network.tfhub_module)
    folder = ModelFolder.of(network, say)
    family = family_of(row)
    found = family.find(row, folder)
    kept = folder.kept(row, found)
    return kept or folder.keep(row, found, *family.convert(row, found, folder, say))


def network_of(network: NamedNetwork) -> Network:
    """The layers with weights of a network, for families that are kept as layers of our own.

    Raises:
      RunError: weights that are not to be had, or a backbone of another kind.
    """
    row = architecture(network.architecture, network.tfhub_module)
    family = family_of(row)
    if family.to_layers is None:
        raise RunError(f"{row.name} is not kept as layers")
    return family.to_layers(row, family.find(row, ModelFolder.of(network, print)))
