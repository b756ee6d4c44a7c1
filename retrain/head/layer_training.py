"""Defines the settings for training a layer as plain values; the pipeline makes them from the flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from retrain.head.schedule import Schedule


@dataclass(frozen=True)
class LayerTraining:
    """The settings for training a layer."""

    steps: int = 4000
    schedule: Schedule = field(default_factory=Schedule)
    optimizer: str = "sgd"  # "sgd", "momentum", "adam" or "lbfgs"
    momentum: float = 0.9
    weight_decay: float = 0.0  # with lbfgs, 0 means that cross-validation chooses it
    hidden_layers: tuple[int, ...] = ()  # number of units of each layer
    activation: str = "relu"
    dropout: float = 0.0
    label_smoothing: float = 0.0
    balanced: bool = False  # whether sample weights balance the classes
    train_batch_size: int = 100  # -1: all photos
    validation_batch_size: int = 100  # -1: all photos
    seed: int = 0
    evaluate_every: int = 10  # steps
    patience: int = 0  # steps without a better validation loss after which training ends; 0 disables this
    snapshot_every: int = 0  # steps between two snapshots; 0 writes none
    head_every: int = 0  # steps between two intermediate heads, passed to `on_head`; 0 disables this
    resume: Path | None = None  # the snapshot from which training is resumed
    asked: Mapping[str, object] = field(default_factory=dict)  # the settings with which a snapshot must have been made
