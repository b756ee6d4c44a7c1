"""Defines the options for training the network itself: its last blocks, or all of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from label_image.errors import UserError
from label_image.flags import check
from retrain.options.option import ALWAYS, NETWORK_TRAINED, PRETRAINED, SMALL_NETWORK, option


@dataclass(frozen=True)
class FineTuningOptions:
    """Which part of the network is trained in addition to the layer, and how."""

    title: ClassVar[str] = "Fine-tuning"

    train: str = option(
        "head",
        "What is trained. head: only the new layer, on the features of the network. last:N: the new layer, then also the last N blocks of the network, for example last:2. all: the new layer, then the whole network. Everything except head needs TensorFlow.",
        used_by=ALWAYS,
        in_snapshot="network",
        common=True,
    )
    weights: str = option(
        "pretrained",
        "The weights that the network begins with. With none they are random, and the whole network is trained (--train=all) with --optimizer, --learning_rate and the flags that belong to them.",
        used_by=[NETWORK_TRAINED],
        in_snapshot="network",
        choices=("pretrained", "none"),
    )
    epochs: int = option(
        0,
        "How many times the network is trained on all training photos. 0 means 12 times for pretrained weights; for --weights=none it means that training ends after --how_many_training_steps.",
        used_by=[NETWORK_TRAINED],
        in_snapshot="network",
        common=True,
        minimum=0,
        maximum=1_000_000,
    )
    fine_tune_learning_rate: float | None = option(
        None,
        "The highest learning rate while pretrained weights are fine-tuned. The rate rises to it in the first tenth of the steps and then falls along a cosine. Default: 0.001 for adam, 0.002 for momentum, 0.01 for sgd.",
        used_by=[NETWORK_TRAINED, PRETRAINED],
        in_snapshot="network",
        minimum=1e-9,
        maximum=1e3,
    )
    fine_tune_optimizer: str = option(
        "adam",
        "The optimizer that fine-tunes pretrained weights; --momentum is its coefficient for momentum.",
        used_by=[NETWORK_TRAINED, PRETRAINED],
        in_snapshot="network",
        choices=("sgd", "momentum", "adam"),
    )
    fine_tune_batch_size: int = option(
        32,
        "Photos per step while pretrained weights are fine-tuned.",
        used_by=[NETWORK_TRAINED, PRETRAINED],
        in_snapshot="network",
        minimum=1,
    )
    frozen_batch_norm: bool = option(
        True,
        "Do not change the means and variances of pretrained batch normalisation layers; only their scales and offsets are fine-tuned.",
        used_by=[NETWORK_TRAINED, PRETRAINED],
        in_snapshot="network",
    )
    augment: bool = option(
        True,
        "Fine-tune pretrained weights on distorted photos if no distortion is set: with --random_crop=10 --random_scale=30 --random_brightness=20, and with --flip_left_right if the accuracy on mirrored validation photos is at most 2 percentage points lower than on the unchanged ones.",
        used_by=[NETWORK_TRAINED, PRETRAINED],
        in_snapshot="network",
    )
    batch_norm: bool = option(
        True,
        "Use batch normalisation in resnet20, resnet32 and resnet56.",
        used_by=[SMALL_NETWORK],
        in_snapshot="network",
    )
    feature_maps: int = option(
        0,
        "How many feature maps the first convolution has; the width of a ResNet grows with it. 0 means the number in the paper that describes the network.",
        used_by=[SMALL_NETWORK],
        in_snapshot="network",
        minimum=0,
        maximum=4096,
    )
    image_size: int = option(
        0,
        "Height and width of the network's input in pixels; 0 means its own, for example 28 for lenet.",
        used_by=[SMALL_NETWORK],
        in_snapshot="network",
        minimum=0,
        maximum=1024,
    )
    distribute: str = option(
        "none",
        "With mirrored, the network is trained on all GPUs of this machine at once.",
        used_by=[NETWORK_TRAINED],
        in_snapshot="no",
        choices=("none", "mirrored"),
    )
    fine_tuned_dir: str = option(
        "tf_files/fine_tuned",
        "The folder for the network that --train=last:N or all has trained; the next such run replaces its files.",
        used_by=ALWAYS,
        in_snapshot="no",
    )

    def __post_init__(self) -> None:
        """Checks the bounds of each field.

        Raises:
          UserError: naming the flag.
        """
        check(self)
        if not re.fullmatch(r"head|all|last:([1-9][0-9]{0,4})", self.train):
            raise UserError(f"--train={self.train} is not one of head, last:N (N blocks, as last:2), all")

    @property
    def tunes(self) -> bool:
        """Tells whether more than the layer is trained."""
        return self.train != "head"
