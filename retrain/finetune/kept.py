"""A network that was trained here in, a Backbone in --fine_tuned_dir out: there is one, the last."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy.typing as npt

from retrain.backbones.lookup import architecture
from retrain.backbones.model_folder import ModelFolder, Weights
from retrain.backbones.trainable import Trainable
from retrain.console import Screen
from retrain.options.options import Options
from retrain.types import Backbone

_FROM_NOTHING, _FURTHER = "trained here from nothing", "trained further here"  # where a network's weights came from


def kept(network: Trainable, values: list[npt.NDArray[Any]], options: Options, screen: Screen) -> Backbone:
    """The network as a Backbone, in --fine_tuned_dir, in the place of the last one."""
    row = architecture(options.network.architecture, options.network.tfhub_module)
    digest = hashlib.sha256(
        f"{row.name} {options.finetune.feature_maps} {options.finetune.batch_norm} {options.finetune.image_size} {options.head.activation}".encode()
    )
    for value in values:
        digest.update(value.tobytes())
    how = _FROM_NOTHING if options.finetune.weights == "none" else f"{_FURTHER} ({options.finetune.train})"
    folder = ModelFolder(options.finetune.fine_tuned_dir, screen.info, offline=options.network.offline)
    backbone = folder.keep(row, Weights(digest.hexdigest(), how), *network.forms())
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
