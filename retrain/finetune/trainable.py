"""Builds the network that a run asks for, so that it can be trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from retrain.backbones.lookup import architecture, family_of
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.trainable import SomePhotos, Trainable
from retrain.options.for_network import building_of
from retrain.options.options import Options


def trainable(
    options: Options,
    say: Callable[[str], None] = lambda _: None,
    *,
    half: bool = False,
    some_photos: SomePhotos | None = None,
) -> Trainable:
    """Builds the network.

    Args:
      options: what is asked for.
      say: for progress of downloads.
      half: to calculate in float16 where that loses nothing.
      some_photos: some training photos, asked for where a network has to be normalised anew.

    Raises:
      UserError: it cannot be trained, or has not so many blocks.
      RunError: its weights are not to be had.
    """
    row = architecture(options.network.architecture, options.network.tfhub_module)
    building = dataclasses.replace(building_of(options), half=half, some_photos=some_photos)
    make = family_of(row).make_trainable
    assert make is not None, "check_network refuses it before"  # noqa: S101
    return make(row, building, ModelFolder.of(options.network, say))
