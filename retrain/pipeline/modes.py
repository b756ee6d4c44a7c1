"""Implements the three ways to train: only the layer, fine-tuning of the network after its layer, or a network from random weights.

Each finds the photos, trains, and returns the features of all photos with the head, or with a function that trains the head.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from retrain.clock import Clock
from retrain.console import Screen
from retrain.features.photo_features import PhotoFeatures
from retrain.features.recheck import ask_some
from retrain.options.options import Options
from retrain.pipeline.backbone import backbone_stage
from retrain.pipeline.features import Int8Variant, features_stage, int8_stage
from retrain.pipeline.layer import train_first_layer, train_layer
from retrain.pipeline.network import check_trainable, network_stage, store_of_network
from retrain.pipeline.photos import SplitPhotos, photos_stage
from retrain.store.feature_store import Store
from retrain.types import Head


@dataclass(frozen=True)
class Featured:
    """The features of all photos, and how to get the head for them."""

    features: PhotoFeatures
    head: Callable[[], Head]  # trains the layer, or returns the head that was trained with the network
    int8: Int8Variant | None  # for --quantize=int8


Mode = Callable[[Options, Clock, Screen], Featured]


def mode_of(options: Options) -> Mode:
    """Selects the way to train from --train and --weights."""
    if not options.finetune.tunes:
        return layer_on_features
    return network_from_nothing if options.finetune.weights == "none" else network_from_layer


def layer_on_features(options: Options, clock: Clock, screen: Screen) -> Featured:
    """Trains the layer on features of the pretrained network; features in the store are reused."""
    with closing(Store(Path(options.run.bottleneck_dir))) as store:
        photos = photos_stage(options, store, clock, screen)
        with clock.stage("backbone"):
            ready = backbone_stage(options, photos, screen)
        with clock.stage("features"):
            features = features_stage(options, photos, ready, store, screen)
        with clock.stage("int8"):
            int8 = int8_stage(options, features, store, screen)
    if features.runtime.name == "litert" and features.pace.computed < len(features.split.photos):
        with clock.stage("features"):
            ask_some(features.split, features.bottlenecks, features.backbone, features.runtime)
    return Featured(features, lambda: train_layer(options, features, screen), int8)


def network_from_layer(options: Options, clock: Clock, screen: Screen) -> Featured:
    """Trains the layer on features of the pretrained network, then fine-tunes network and layer together."""
    with closing(Store(Path(options.run.bottleneck_dir))) as store:
        photos = photos_stage(options, store, clock, screen)
        with clock.stage("backbone"):
            ready = backbone_stage(options, photos, screen)
            check_trainable(options)
        with clock.stage("features"):
            features = features_stage(options, photos, ready, store, screen)
    with clock.stage("training"):
        begin = train_first_layer(options, features, screen)
    return _on_trained_network(options, SplitPhotos(features.scan, features.split), begin, clock, screen)


def network_from_nothing(options: Options, clock: Clock, screen: Screen) -> Featured:
    """Trains a network and its head from random weights."""
    with closing(Store(Path(options.run.bottleneck_dir))) as store:
        photos = photos_stage(options, store, clock, screen)
    return _on_trained_network(options, photos, None, clock, screen)


def _on_trained_network(
    options: Options, photos: SplitPhotos, begin: Head | None, clock: Clock, screen: Screen
) -> Featured:
    """Trains the network, then computes its features of all photos."""
    with clock.stage("fine_tuning"):
        tuned = network_stage(options, photos.split, begin, screen)
    with closing(store_of_network(options)) as store:
        with clock.stage("features"):
            features = features_stage(options, photos, tuned.ready, store, screen)
        with clock.stage("int8"):
            int8 = int8_stage(options, features, store, screen)
    return Featured(features, lambda: tuned.head, int8)
