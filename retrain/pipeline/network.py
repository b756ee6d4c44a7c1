"""Implements the stage that trains the network itself, starting from a trained layer or from random weights."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrain.backbones.lookup import architecture, family_of
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.trainable import SomePhotos, Trainable
from retrain.console import Screen
from retrain.features.runtimes import choose
from retrain.options.for_network import building_of
from retrain.options.options import Options
from retrain.pipeline.backbone import ReadyBackbone
from retrain.pipeline.settings import network_training
from retrain.report.tensorboard import Summaries
from retrain.store.feature_store import Store
from retrain.types import TRAINING, Head, Split

_FEATURES = "features_of_the_last_run"  # a folder in --fine_tuned_dir, which each run empties; the name is unlikely to be anybody else's


@dataclass(frozen=True)
class TunedNetwork:
    """A network that was trained here, with its head."""

    ready: ReadyBackbone
    head: Head


def check_trainable(options: Options) -> None:
    """Checks that the network can be trained as requested, before the features of all photos are computed.

    Raises:
      UserError: it cannot be trained as requested.
      RunError: the requested devices are not available.
    """
    from label_image.quiet import tensorflow
    from retrain.finetune.devices import strategy_of

    strategy_of(tensorflow(), mirrored=options.finetune.distribute == "mirrored")
    trainable(options)


def trainable(
    options: Options,
    say: Callable[[str], None] = lambda _: None,
    *,
    half: bool = False,
    some_photos: SomePhotos | None = None,
) -> Trainable:
    """Builds the network for training.

    Args:
      options: all options; they name the network and determine how it is built.
      say: for progress of downloads.
      half: whether to calculate in float16 where the precision suffices.
      some_photos: returns a few training photos, for networks whose normalisation must be computed.

    Raises:
      UserError: it cannot be trained, or has fewer blocks than requested.
      RunError: its weights cannot be loaded.
    """
    row = architecture(options.network.architecture, options.network.tfhub_module)
    building = dataclasses.replace(building_of(options), half=half, some_photos=some_photos)
    make = family_of(row).make_trainable
    assert make is not None, "check_network refuses it before"  # noqa: S101
    return make(row, building, ModelFolder.of(options.network, say))


def network_stage(options: Options, split: Split, begin: Head | None, screen: Screen) -> TunedNetwork:
    """Trains the network, saves it in --fine_tuned_dir, and writes summaries during training.

    Args:
      options: all options of the run.
      split: the photos.
      begin: the head, trained on the network's features; None means a random head.
      screen: for progress.
    """
    from retrain.finetune.keep_network import keep_network
    from retrain.finetune.train_network import train_network

    def build(half: bool, some_photos: SomePhotos) -> Trainable:
        return trainable(options, screen.info, half=half, some_photos=some_photos)

    how = network_training(options, int(np.count_nonzero(split.lists == TRAINING)))
    summaries = Summaries(Path(options.run.summaries_dir)) if options.run.summaries_dir else None
    try:
        seen = summaries.write_network if summaries else None
        trained = train_network(how, build, split, begin, screen, seen)
    finally:
        if summaries:
            summaries.close()
    row = architecture(options.network.architecture, options.network.tfhub_module)
    folder = ModelFolder(options.finetune.fine_tuned_dir, screen.info, offline=options.network.offline)
    backbone = keep_network(trained.network, trained.values, row, building_of(options), folder)
    return TunedNetwork(ReadyBackbone(backbone, choose(backbone, options.network.device)), trained.head)


def store_of_network(options: Options) -> Store:
    """Makes an empty store for the features of a network that exists only in this run."""
    folder = Path(options.finetune.fine_tuned_dir) / _FEATURES
    shutil.rmtree(folder, ignore_errors=True)
    return Store(folder)
