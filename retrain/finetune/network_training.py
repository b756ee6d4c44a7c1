"""How a network is trained, as plain values: the pipeline makes it from the flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from retrain.data.augment import Distortions
from retrain.finetune.recipe import Recipe


@dataclass(frozen=True)
class NetworkTraining:
    """How a network is trained."""

    recipe: Recipe
    train: str  # "last:N" or "all"
    folder: Path  # for pixels that do not fit into memory
    checkpoint: str = ""  # snapshots are named after it
    distortions: Distortions = field(default_factory=Distortions)
    mirrors_if_known: bool = False  # whether photos are mirrored where the network knows them mirrored as well
    hidden_layers: tuple[int, ...] = ()  # of a head that begins with random weights
    activation: str = "relu"
    dropout: float = 0.0
    label_smoothing: float = 0.0
    balanced: bool = False
    seed: int = 0
    whole_validation_set: bool = False  # whether steps are compared on all of it, however large it is
    patience: int = 0  # steps without a better validation loss after which training ends; 0: it does not
    snapshot_every: int = 0  # steps; 0: never
    resume: Path | None = None  # the snapshot to go on from
    strict: bool = False  # whether a photo that cannot be read ends the run
    mirrored_devices: bool = False  # trains on all GPUs at once
    gpu_allowed: bool = True
    asked: Mapping[str, object] = field(default_factory=dict)  # what a snapshot must have been made with
