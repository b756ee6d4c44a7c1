"""How a layer is trained, as plain values: the pipeline makes it from the flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from retrain.head.schedule import Schedule


@dataclass(frozen=True)
class LayerTraining:
    """How a layer is trained."""

    steps: int = 4000
    schedule: Schedule = field(default_factory=Schedule)
    optimizer: str = "sgd"  # "sgd", "momentum", "adam" or "lbfgs"
    momentum: float = 0.9
    weight_decay: float = 0.0  # 0 with lbfgs: chosen by cross-validation
    hidden_layers: tuple[int, ...] = ()  # units of each
    activation: str = "relu"
    dropout: float = 0.0
    label_smoothing: float = 0.0
    balanced: bool = False  # whether sample weights make up for classes with few photos
    train_batch_size: int = 100  # -1: all photos
    validation_batch_size: int = 100  # -1: all photos
    seed: int = 0
    evaluate_every: int = 10  # steps
    patience: int = 0  # steps without a better validation loss after which training ends; 0: it does not
    snapshot_every: int = 0  # steps; 0: never
    head_every: int = 0  # steps after which the head of that moment is asked for; 0: never
    resume: Path | None = None  # the snapshot to go on from
    asked: Mapping[str, object] = field(default_factory=dict)  # what a snapshot must have been made with
