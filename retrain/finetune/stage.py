"""What of the options a snapshot of a network must have been made with."""

from __future__ import annotations

from typing import Any

from retrain.head.snapshots import asked_of
from retrain.options.options import Options

_ASKED = (
    "architecture", "tfhub_module", "train", "weights", "fine_tune_learning_rate", "fine_tune_optimizer",
    "fine_tune_batch_size", "frozen_batch_norm", "batch_norm", "feature_maps", "image_size", "epochs", "flip_left_right",
    "random_crop", "random_scale", "random_brightness", "pad_and_crop", "random_colour", "augment",
)  # fmt: skip


def asked_of_network(options: Options) -> dict[str, Any]:
    """What a snapshot of a network must have been made with: name -> value."""
    return {**asked_of(options), **{name: options.value(name) for name in _ASKED}}
