"""Defines the settings for training a network as plain values; the pipeline makes them from the flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from retrain.data.augment import Distortions
from retrain.finetune.recipe import Recipe


@dataclass(frozen=True)
class NetworkTraining:
    """The settings for training a network."""

    recipe: Recipe
    train: str  # "last:N" or "all"
    folder: Path  # for a temporary file with pixels that do not fit into memory
    checkpoint: str = ""  # the names of snapshots start with it
    distortions: Distortions = field(default_factory=Distortions)
    mirrors_if_known: bool = False  # whether photos are mirrored if that does not lower the accuracy of the network
    hidden_layers: tuple[int, ...] = ()  # sizes of the hidden layers of a new head
    activation: str = "relu"
    dropout: float = 0.0
    label_smoothing: float = 0.0
    balanced: bool = False
    seed: int = 0
    whole_validation_set: bool = False  # whether all validation photos are used to compare steps
    patience: int = 0  # steps without a better validation loss after which training ends; 0 disables this
    snapshot_every: int = 0  # steps between two snapshots; 0 writes none
    resume: Path | None = None  # the snapshot from which training is resumed
    strict: bool = False  # whether a photo that cannot be read ends the run
    mirrored_devices: bool = False  # whether to train on all GPUs together
    gpu_allowed: bool = True
    asked: Mapping[str, object] = field(default_factory=dict)  # the settings with which a snapshot must have been made
