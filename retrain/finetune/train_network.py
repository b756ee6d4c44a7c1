"""Trains a network, or its last blocks, together with the head: starting from a trained layer, or from random weights.

The result is a network and a head of the usual types: features, tests, exports and the report do not depend on how they were
trained.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import PhotoError, UserError
from label_image.quiet import tensorflow
from retrain.backbones.trainable import SomePhotos, Trainable
from retrain.console import Screen
from retrain.data.augment import Distortions
from retrain.finetune.batches import Batches
from retrain.finetune.devices import has_gpu, strategy_of
from retrain.finetune.engine import Engine, EngineSettings
from retrain.finetune.loop import Loop, Point
from retrain.finetune.memory import keep_freed_memory
from retrain.finetune.network_training import NetworkTraining
from retrain.finetune.pixels import Pixels, decoded, enlarged, has_colour
from retrain.finetune.run_loop import run_loop
from retrain.finetune.unreadable import Unreadable
from retrain.head.sampler import validation_subset
from retrain.head.training import balanced_sample_weights
from retrain.metrics import accuracy
from retrain.networks.build import GREY
from retrain.types import TRAINING, VALIDATION, Dense, Head, Photo, Split

_MIRRORED = 500  # validation photos on which to test whether a mirrored photo still shows its class
_MEASURED = 256  # training photos from which the normalisation statistics are computed where a network lacks them
_AS_WELL = 0.02  # loss of accuracy up to which left and right are considered irrelevant

Build = Callable[[bool, SomePhotos], Trainable]  # (half precision?, some photos) -> the network
Seen = Callable[[Point, dict[str, npt.NDArray[Any]]], None]  # an evaluation, and the variables of the network


@dataclass(frozen=True)
class TrainedNetwork:
    """The result of training a network."""

    network: Trainable
    values: list[npt.NDArray[Any]]  # the values of its variables
    head: Head


@dataclass(frozen=True)
class _Built:
    """The network, built for training."""

    network: Trainable
    strategy: Any  # the tf.distribute strategy
    half: bool  # whether most calculations use float16

    @property
    def devices(self) -> int:
        """The number of devices on which it is trained."""
        return int(self.strategy.num_replicas_in_sync)


@dataclass(frozen=True)
class _Photos:
    """The photos that could be read: their pixels and classes."""

    pixels: Pixels  # of the training set, enlarged if random crops are taken
    label_ids: npt.NDArray[np.int64]
    validation: Pixels
    validation_ids: npt.NDArray[np.int64]


def train_network(
    how: NetworkTraining, build: Build, split: Split, begin: Head | None, screen: Screen, seen: Seen | None
) -> TrainedNetwork:
    """Trains a network, or its last blocks.

    Args:
      how: steps, learning rates, distortions and so on.
      build: builds the network with its initial weights.
      split: the photos.
      begin: the head, trained on the network's features; None means a random head.
      screen: for progress.
      seen: called at each evaluation.

    Raises:
      UserError: the network cannot be trained in this way, or not on these photos.
      RunError: it could not be trained or written.
    """
    _check_validation(how, split, screen)
    keep_freed_memory()
    tf = tensorflow()
    tf.config.experimental.enable_op_determinism()
    tf.random.set_seed(how.seed)
    strategy = strategy_of(tf, mirrored=how.mirrored_devices)
    half = how.gpu_allowed and has_gpu(tf)
    some_photos = _some_photos(split, how.folder)
    with strategy.scope():
        built = _Built(build(half, some_photos), strategy, half)
    _announce(how, built, split, screen)
    head = _trained_head(how, built, split, begin, screen, seen)
    network, values = built.network, built.network.values
    if half or built.devices > 1:  # rebuild it: the exports must not depend on the precision or the devices
        network = build(False, some_photos)
        network.assign(values)
    return TrainedNetwork(network, values, head)


def _trained_head(
    how: NetworkTraining, built: _Built, split: Split, begin: Head | None, screen: Screen, seen: Seen | None
) -> Head:
    """Trains the network in place; returns its head."""
    with _readable(how, built.network, split) as photos:
        settings = _engine_settings(how, photos.label_ids, len(split.labels))
        head = begin or _random_head(built.network, split.labels, how)
        engine = Engine(built.network, head, how.recipe, built.strategy, settings, half=built.half)
        distortions = how.distortions
        if how.mirrors_if_known:
            distortions = _mirrored(distortions, engine, photos.validation, photos.validation_ids, screen)
        loop = _loop(how, engine, photos, distortions, split)
        curve = run_loop(loop, how.checkpoint, screen, lambda point: seen(point, engine.named) if seen else None)
    return dataclasses.replace(engine.head, curve=curve)


def _check_validation(how: NetworkTraining, split: Split, screen: Screen) -> None:
    """Without a validation set, tells the user the consequences, and refuses early stopping."""
    if (split.lists == VALIDATION).any():
        return
    if how.patience:
        raise UserError(
            f"--early_stopping_steps={how.patience} needs a validation set, which is empty; give --validation_percentage=10, or leave it out"
        )
    screen.warn(
        "no photo is kept for validation, so the weights of the last step are kept, whether or not they are better than those before (--validation_percentage)"
    )


def _announce(how: NetworkTraining, built: _Built, split: Split, screen: Screen) -> None:
    network, devices = built.network, built.devices
    blocks = how.train.removeprefix("last:")
    last = f"the last {'block' if blocks == '1' else f'{blocks} blocks'} of {network.name}"
    what = f"all of {network.name}" if how.train == "all" else last
    recipe = how.recipe
    screen.info(
        f"training {what} on {np.count_nonzero(split.lists == TRAINING)} photos, {recipe.steps} steps of {recipe.batch_size} by {recipe.optimizer}"
        + (" in half precision" if built.half else "")
        + (f" on {devices} devices" if devices > 1 else "")
    )


@contextlib.contextmanager
def _readable(how: NetworkTraining, network: Trainable, split: Split) -> Iterator[_Photos]:
    """Decodes the training set and the validation subset; the pixels exist until the block ends."""
    rows = np.flatnonzero(split.lists == TRAINING)
    some = validation_subset(np.flatnonzero(split.lists == VALIDATION), how.seed, whole=how.whole_validation_set)
    size_px = network.height_px, network.width_px
    large = enlarged(how.distortions, size_px[0]), enlarged(how.distortions, size_px[1])
    unread = Unreadable(split, rows, some)
    with (
        decoded(_photos_of(split, rows), large, how.folder, unread.training) as pixels,
        decoded(_photos_of(split, some), size_px, how.folder, unread.validation) as validation,
    ):
        unread.check(strict=how.strict)
        if network.name in GREY:
            _refuse_colour(network.name, pixels)
        good, good_validation = unread.readable, unread.readable_validation
        yield _Photos(
            pixels if good.all() else pixels[good],
            split.label_ids[rows][good],
            validation if good_validation.all() else validation[good_validation],
            split.label_ids[some[good_validation]],
        )


def _loop(how: NetworkTraining, engine: Engine, photos: _Photos, distortions: Distortions, split: Split) -> Loop:
    size_px = photos.validation.shape[1:3]
    batches = Batches(photos.pixels, photos.label_ids, size_px, how.recipe.batch_size, distortions, how.seed)
    return Loop(
        engine,
        batches,
        photos.validation,
        photos.validation_ids,
        how.recipe,
        how.snapshot_every,
        how.patience,
        how.resume,
        {**how.asked, **dataclasses.asdict(distortions)},
        _digest(split, None if how.recipe.from_nothing else engine),
    )


def _photos_of(split: Split, rows: npt.NDArray[np.int64]) -> list[Photo]:
    return [split.photos[row] for row in rows]


def _some_photos(split: Split, folder: Path) -> SomePhotos:
    """Returns a function that decodes a sample of the training photos; a function, because few networks need them."""

    def decode_sample(size_px: int) -> Pixels:
        rows = np.flatnonzero(split.lists == TRAINING)
        few = rows[:: -(-len(rows) // _MEASURED)]
        good = np.ones(len(few), np.bool_)

        def problem(place: int, _: PhotoError) -> None:
            good[place] = False

        with decoded(_photos_of(split, few), (size_px, size_px), folder, problem) as pixels:
            return np.ascontiguousarray(pixels[good])

    return decode_sample


def _mirrored(
    distortions: Distortions, engine: Engine, validation: Pixels, label_ids: npt.NDArray[np.int64], screen: Screen
) -> Distortions:
    """Adds mirroring to the distortions if it does not lower the accuracy: true of flowers, but not of digits or arrows."""
    some = slice(_MIRRORED)
    plain, mirrored = (
        accuracy(engine.logits(photos), label_ids[some]) for photos in (validation[some], validation[some, :, ::-1])
    )
    flips = bool(mirrored >= plain - _AS_WELL)  # without validation photos both are NaN
    if len(label_ids):
        verdict = "training mirrors photos too" if flips else "training does not mirror photos"
        screen.info(
            f"the pretrained network knows {plain:.1%} of validation photos and {mirrored:.1%} of them mirrored: {verdict}"
        )
    return dataclasses.replace(distortions, flip_left_right=flips)


def _random_head(network: Trainable, labels: tuple[str, ...], how: NetworkTraining) -> Head:
    """Makes a head with random weights, by the initialization of Glorot and Bengio ("Xavier", AISTATS 2010)."""
    tf = tensorflow()
    probe = network.call(tf.zeros((1, network.height_px, network.width_px, 3)), False)
    sizes = [int(probe.shape[1]), *how.hidden_layers, len(labels)]
    rng = np.random.default_rng([how.seed, 8])
    layers = []
    for below, above in itertools.pairwise(sizes):
        widest = np.sqrt(6 / (below + above))
        layers.append((rng.uniform(-widest, widest, (below, above)).astype(np.float32), np.zeros(above, np.float32)))
    hidden = tuple(Dense(*layer, how.activation) for layer in layers[:-1])
    return Head(*layers[-1], labels, hidden=hidden)


def _engine_settings(how: NetworkTraining, label_ids: npt.NDArray[np.int64], classes: int) -> EngineSettings:
    weights = np.ones(classes, np.float32)
    if how.balanced:
        weights[label_ids] = balanced_sample_weights(label_ids)
    return EngineSettings(how.label_smoothing, how.dropout, how.seed, weights)


def _refuse_colour(name: str, pixels: Pixels) -> None:
    """Raises UserError if photos have colour but the network takes grey photos."""
    coloured = int(has_colour(pixels).sum())
    if coloured:
        raise UserError(
            f"{name} sees no colour, and {coloured} of {len(pixels)} training photos have some; use simple_cnn or resnet20, or make the photos grey"
        )


def _digest(split: Split, engine: Engine | None) -> str:
    """Computes a digest of the photos, their subsets and classes, and of the pretrained weights."""
    digest = hashlib.sha256()
    for photo, which in zip(split.photos, split.lists, strict=True):
        digest.update(f"{photo.sha256} {which} {photo.label}\n".encode("utf-8", "surrogateescape"))
    for values in engine.weights if engine else ():
        digest.update(values.tobytes())
    return digest.hexdigest()
