"""A network that was trained here in, a Backbone in --fine_tuned_dir out: there is one, the last."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy.typing as npt

from retrain.backbones.model_folder import Shelf, Weights
from retrain.backbones.table import architecture
from retrain.console import Screen
from retrain.finetune.trainable import Trainable
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
    shelf = Shelf(options.replaced(model_dir=options.finetune.fine_tuned_dir), screen.info)
    frozen, tflite, why_no_tflite = network.forms()
    backbone = shelf.keep(row, Weights(digest.hexdigest(), how), frozen, tflite, why_no_tflite)
    _remove_older(backbone.graph)
    return backbone


def _remove_older(graph: Path) -> None:
    """Removes the networks that earlier runs trained; a pretrained one in the same folder stays."""
    for card in graph.parent.glob("*.json"):
        if card.stem == graph.stem:
            continue
        with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError):
            source = str(json.loads(card.read_text("utf-8")).get("source", ""))
            if source.startswith((_FROM_NOTHING, _FURTHER)):
                for path in graph.parent.glob(f"{glob.escape(card.stem)}.*"):
                    path.unlink(missing_ok=True)
