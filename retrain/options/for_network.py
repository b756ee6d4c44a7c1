"""Checks of options against the network that they name."""

from __future__ import annotations

from label_image.errors import UserError
from retrain.options.options import Options, refuse_unused

# What a small network takes, in pixels; the others take digits as they are, or with a border of two.
_SIZES_PX = {"alexnet": (224,), "resnet20": (32,), "resnet32": (32,), "resnet56": (32,)}
_FROZEN = ("inception",)  # families
_OF_SMALL = {"batch_norm": True, "feature_maps": 0, "image_size": 0}


def check_network(options: Options, name: str, family: str) -> None:
    """Refuses what does not go with the network.

    Args:
      options: checked for themselves.
      name: of the network.
      family: of its row; "network" are the small ones.

    Raises:
      UserError: naming the flags.
    """
    tuning = options.finetune
    if tuning.tunes and family in _FROZEN:
        raise UserError(
            f"--train={tuning.train}: {name} is a frozen graph, which cannot be trained; use --train=head, or another --architecture"
        )
    if tuning.tunes and family == "tfhub":
        _check_module(options)
    if family != "network":
        refuse_unused(options, _OF_SMALL, f"{name}; it goes with lenet and other small networks")
        return
    if tuning.weights != "none":
        raise UserError(
            f"{name} has no trained weights: give --weights=none --train=all, and it begins with random ones"
        )
    sizes = _SIZES_PX.get(name, (28, 32))
    if tuning.image_size and tuning.image_size not in sizes:
        raise UserError(f"--image_size={tuning.image_size}: {name} takes {' or '.join(map(str, sizes))} pixels")
    if not tuning.batch_norm and not name.startswith("resnet"):
        raise UserError(f"--nobatch_norm: {name} has no batch normalisation; leave it out")


def _check_module(options: Options) -> None:
    tuning = options.finetune
    if tuning.weights == "none":
        raise UserError("--weights=none: a TF-Hub module comes with its weights; give an --architecture instead")
    if tuning.train != "all":
        raise UserError(f"--train={tuning.train}: a TF-Hub module does not say where its blocks are; use --train=all")
