"""The stage that trains the network itself, from a trained layer on or from random weights."""

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

_FEATURES = "features_of_the_last_run"  # a folder of --fine_tuned_dir that only we would call so: it is emptied


@dataclass(frozen=True)
class TunedNetwork:
    """A network that was trained here, with its head."""

    ready: ReadyBackbone
    head: Head


def check_trainable(options: Options) -> None:
    """Checks that the network can be trained so, before the features of all photos are computed.

    Raises:
      UserError: it cannot be trained so.
      RunError: there are not the devices that were asked for.
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
    """Builds the network so that it can be trained.

    Args:
      options: which network, and how it is built.
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


def network_stage(options: Options, split: Split, begin: Head | None, screen: Screen) -> TunedNetwork:
    """Trains the network, keeps it in --fine_tuned_dir, and writes summaries on the way.

    Args:
      options: everything that was asked for.
      split: the photos.
      begin: the head, trained on the network's features; None begins with a random one.
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
    """An empty store for the features of a network that only this run has."""
    folder = Path(options.finetune.fine_tuned_dir) / _FEATURES
    shutil.rmtree(folder, ignore_errors=True)
    return Store(folder)
