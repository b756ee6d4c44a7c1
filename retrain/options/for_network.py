"""Checks the options against the network that they name."""

from __future__ import annotations

from label_image.errors import UserError
from retrain.backbones.lookup import architecture, family_of
from retrain.backbones.table import Architecture
from retrain.backbones.trainable import Building
from retrain.options.option import SMALL_NETWORK, refuse_with
from retrain.options.options import Options


def check_network(options: Options) -> Architecture:
    """Returns the named network after checking that all options are valid for it.

    Raises:
      UserError: naming the flag.
    """
    row = architecture(options.network.architecture, options.network.tfhub_module)
    family = family_of(row)
    building = building_of(options)
    if building.tunes and family.make_trainable is None:
        raise UserError(
            f"--train={building.train}: {row.name} is a frozen graph, which cannot be trained; use --train=head, or another --architecture"
        )
    family.check(row, building)
    if not family.small:
        refuse_with(
            type(options), options.flat(), SMALL_NETWORK, f"{row.name}; it goes with lenet and other small networks"
        )
    return row


def building_of(options: Options) -> Building:
    """Returns the settings for building a network that is trained here."""
    tuning = options.finetune
    return Building(
        tuning.train,
        tuning.weights != "none",
        tuning.frozen_batch_norm,
        options.head.seed,
        options.head.activation,
        tuning.feature_maps,
        tuning.batch_norm,
        tuning.image_size,
    )
