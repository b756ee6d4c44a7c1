"""Saves a network that was trained here as a backbone in --fine_tuned_dir, which keeps only the last one."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy.typing as npt

from retrain.backbones.model_folder import FoundWeights, ModelFolder
from retrain.backbones.table import Architecture
from retrain.backbones.trainable import Building, Trainable
from retrain.types import Backbone

_FROM_NOTHING, _FURTHER = "trained here from nothing", "trained further here"  # the origin of a network's weights


def keep_network(
    network: Trainable, values: list[npt.NDArray[Any]], row: Architecture, building: Building, folder: ModelFolder
) -> Backbone:
    """Writes the network as a backbone; replaces the one from the last run.

    Args:
      network: the network.
      values: the values of its variables.
      row: the table row of the network with which training started.
      building: the settings with which it was built.
      folder: --fine_tuned_dir.
    """
    digest = hashlib.sha256(
        f"{row.name} {building.feature_maps} {building.batch_norm} {building.image_size} {building.activation}".encode()
    )
    for value in values:
        digest.update(value.tobytes())
    how = f"{_FURTHER} ({building.train})" if building.pretrained else _FROM_NOTHING
    backbone = folder.keep(row, FoundWeights(digest.hexdigest(), how), *network.forms())
    _remove_older(backbone.graph)
    return backbone


def _remove_older(graph: Path) -> None:
    """Removes the networks that earlier runs trained; a pretrained one in the same folder stays."""
    for described in graph.parent.glob("*.json"):
        if described.stem == graph.stem:
            continue
        with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError):
            source = str(json.loads(described.read_text("utf-8")).get("source", ""))
            if source.startswith((_FROM_NOTHING, _FURTHER)):
                for path in graph.parent.glob(f"{glob.escape(described.stem)}.*"):
                    path.unlink(missing_ok=True)
