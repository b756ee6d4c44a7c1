"""What a plan says of training end to end in, one line on what can not be meant out. `plan` asks; this file knows no Plan."""

from __future__ import annotations

import re
from typing import Any

from label_image.errors import UserError

# What is of no use where the network is not trained, and the value that says nothing.
_OF_TRAINING = {"weights": "pretrained", "epochs": 0, "distribute": "none"}
_OF_FINE_TUNING = {
    "fine_tune_learning_rate": None, "fine_tune_optimizer": "adam", "fine_tune_batch_size": 32, "frozen_batch_norm": True,
    "augment": True,
}  # fmt: skip
# What a small network takes, in pixels; the others take digits as they are, or with a border of two.
_SIZES_PX = {"alexnet": (224,), "resnet20": (32,), "resnet32": (32,), "resnet56": (32,)}
_FROZEN = ("inception",)  # families
_OF_SMALL = {"batch_norm": True, "feature_maps": 0, "image_size": 0}


def check_end_to_end(plan: Any) -> None:
    """Refuses what excludes each other.

    Raises:
      UserError: naming the flags.
    """
    found = re.fullmatch(r"head|all|last:([1-9][0-9]{0,4})", plan.train)
    if not found:
        raise UserError(f"--train={plan.train} is not one of head, last:N (N blocks, as last:2), all")
    if not plan.tunes:
        _unused(plan, _OF_TRAINING | _OF_FINE_TUNING, "--train=head; give --train=all, or leave it out")
        return
    if plan.weights == "none":
        if plan.train != "all":
            raise UserError(f"--weights=none leaves nothing trained to build on: give --train=all, not {plan.train}")
        if plan.optimizer == "lbfgs":
            raise UserError(
                "--optimizer=lbfgs solves one softmax layer; with --weights=none give sgd, momentum or adam"
            )
        _unused(plan, _OF_FINE_TUNING, "--weights=none; see --learning_rate, --optimizer and --train_batch_size")
    if not plan.fine_tuned_dir:
        raise UserError("--fine_tuned_dir is empty; name a folder")
    if plan.backbone_precision != "float32":
        raise UserError(
            f"--train={plan.train} and --backbone_precision=int8 exclude each other: int8 can not be trained; use --quantize=int8"
        )
    if plan.test_time_views:
        raise UserError(f"--test_time_views and --train={plan.train} exclude each other; leave one out")
    if plan.distribute == "mirrored" and plan.device.startswith("cpu"):
        raise UserError(f"--distribute=mirrored needs GPUs, and --device={plan.device} excludes them; leave one out")


def check_network(plan: Any, name: str, family: str) -> None:
    """Refuses what does not go with the network.

    Args:
      plan: checked for itself.
      name: of the network.
      family: of its row; "network" are the small ones.

    Raises:
      UserError: naming the flags.
    """
    if plan.tunes and family in _FROZEN:
        raise UserError(
            f"--train={plan.train}: {name} is a frozen graph, which can not be trained; use --train=head, or another --architecture"
        )
    if plan.tunes and family == "tfhub":
        _check_module(plan)
    if family != "network":
        _unused(plan, _OF_SMALL, f"{name}; it goes with lenet and other small networks")
        return
    if plan.weights != "none":
        raise UserError(
            f"{name} has no trained weights: give --weights=none --train=all, and it begins with random ones"
        )
    sizes = _SIZES_PX.get(name, (28, 32))
    if plan.image_size and plan.image_size not in sizes:
        raise UserError(f"--image_size={plan.image_size}: {name} takes {' or '.join(map(str, sizes))} pixels")
    if not plan.batch_norm and not name.startswith("resnet"):
        raise UserError(f"--nobatch_norm: {name} has no batch normalisation; leave it out")


def _check_module(plan: Any) -> None:
    if plan.weights == "none":
        raise UserError("--weights=none: a TF-Hub module comes with its weights; give an --architecture instead")
    if plan.train != "all":
        raise UserError(f"--train={plan.train}: a TF-Hub module does not say where its blocks are; use --train=all")


def _unused(plan: Any, flags: dict[str, Any], by: str) -> None:
    for name, silent in flags.items():
        value = getattr(plan, name)
        if value != silent:
            shown = f"--no{name}" if value is False else f"--{name}={value}"
            raise UserError(f"{shown} is not used by {by}")
