"""The stage in words: a plan, photos and what they begin with in; a Backbone and a Head out, and what the user reads meanwhile.

The backbone that comes out is kept as any other (`Shelf`), with a digest of its own: features, test, exports, proof and report
are made of it without knowing how it came to be.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import PhotoError, RunError, UserError
from label_image.quiet import tensorflow
from retrain.backbones.trainable import Trainable
from retrain.console import Screen
from retrain.finetune.batches import Batches
from retrain.finetune.engine import Engine
from retrain.finetune.kept import kept
from retrain.finetune.loop import Loop, Point
from retrain.finetune.memory import keep_freed_memory
from retrain.finetune.pixels import Pixels, decoded, enlarged, has_colour
from retrain.finetune.recipe import Recipe, augmented, recipe_of
from retrain.finetune.trainable import trainable
from retrain.finetune.unreadable import Unreadable
from retrain.head.snapshots import Snapshot, asked_of, read_snapshot, snapshot_path, write_snapshot
from retrain.head.training import balanced_shares
from retrain.metrics import accuracy
from retrain.networks.build import GREY
from retrain.options.options import Options
from retrain.progress import Progress, Tenths, duration
from retrain.types import TRAINING, VALIDATION, Backbone, Curve, Dense, Head, Split

_JUDGES = 2_000  # validation photos that judge the steps, as the head's
_MIRRORED = 500  # validation photos that say whether a mirrored photo is still a photo of its class
_MEASURED = 256  # training photos whose statistics a network without normalisation gets
_AS_WELL = 0.02  # of accuracy that they may lose: left and right are chance then
_ASKED = (
    "architecture", "tfhub_module", "train", "weights", "fine_tune_learning_rate", "fine_tune_optimizer",
    "fine_tune_batch_size", "frozen_batch_norm", "batch_norm", "feature_maps", "image_size", "epochs", "flip_left_right",
    "random_crop", "random_scale", "random_brightness", "pad_and_crop", "random_colour", "augment",
)  # fmt: skip


Seen = Callable[[Point, dict[str, npt.NDArray[Any]]], None]  # an evaluation, and what the network consists of


def check(options: Options) -> None:
    """Finds out before the features of all photos are computed what could not be trained after them.

    Raises:
      UserError: the network can not be trained so.
      RunError: there are not the devices that were asked for.
    """
    _strategy(tensorflow(), options)
    trainable(options)


def finetune(
    options: Options, split: Split, head: Head | None, screen: Screen, seen: Seen | None
) -> tuple[Backbone, Head]:
    """Trains the network of a plan, or its last blocks.

    Args:
      plan: everything that was asked for.
      split: the photos.
      head: trained on the network's features; None begins with a random one.
      screen: for progress.
      seen: called at each evaluation.

    Raises:
      UserError: the network can not be trained so, or not on these photos.
      RunError: it could not be trained or written.
    """
    keep_freed_memory()
    as_asked, options = options, augmented(options)
    tf = tensorflow()
    tf.config.experimental.enable_op_determinism()
    tf.random.set_seed(options.head.seed)
    strategy = _strategy(tf, options)
    half = _on_gpu(tf, options)
    rows = np.flatnonzero(split.lists == TRAINING)
    some_photos = _some_photos(split, rows, Path(options.finetune.fine_tuned_dir))
    with strategy.scope():
        network = trainable(options, screen.info, half=half, some_photos=some_photos)
    judged = np.flatnonzero(split.lists == VALIDATION)
    if len(judged) > _JUDGES and options.head.validation_batch_size > 0:
        judged = np.sort(np.random.default_rng([options.head.seed, 4]).choice(judged, _JUDGES, replace=False))
    recipe = recipe_of(options, len(rows))
    screen.info(
        f"training {_what(options, network)} on {len(rows)} photos, {recipe.steps} steps of {recipe.batch_size} by {recipe.optimizer}"
        + (" in half precision" if half else "")
        + (f" on {strategy.num_replicas_in_sync} devices" if strategy.num_replicas_in_sync > 1 else "")
    )
    size_px = network.height_px, network.width_px
    large = enlarged(options, size_px[0]), enlarged(options, size_px[1])
    folder, unread = Path(options.finetune.fine_tuned_dir), Unreadable(options, split, rows, judged)
    with (
        decoded([split.photos[row] for row in rows], large, folder, unread.training) as pixels,
        decoded([split.photos[row] for row in judged], size_px, folder, unread.validation) as seen_pixels,
    ):
        unread.check()
        if network.name in GREY:
            _refuse_colour(network.name, pixels)
        ids, good = split.label_ids[rows][unread.good], unread.good
        judged, validation = judged[unread.judging], seen_pixels
        if not unread.judging.all():
            validation = seen_pixels[unread.judging]
        begin = head or _random_head(network, split.labels, options)
        engine = Engine(network, begin, recipe, strategy, _options(options, ids, len(split.labels)), half=half)
        if options is not as_asked:
            options = _mirrored(options, engine, validation, split.label_ids[judged], screen)
        batches = Batches(pixels if good.all() else pixels[good], ids, size_px, recipe.batch_size, options)
        digest = _digest(options, split, engine)
        loop = Loop(
            engine, batches, validation, split.label_ids[judged], options, recipe.steps, _asked(options), digest
        )
        curve = _run(loop, options, recipe, screen, lambda point: seen(point, engine.named) if seen else None)
    values = network.values
    tuned = dataclasses.replace(engine.head, curve=curve)
    if half or strategy.num_replicas_in_sync > 1:
        network = trainable(options, screen.info, some_photos=some_photos)
        network.assign(values)
    return kept(network, values, options, screen), tuned


def _some_photos(split: Split, rows: npt.NDArray[np.int64], folder: Path) -> Callable[[int], Pixels]:
    """Pixels of training photos, a few of each part of the list; a function, for few networks ask for them."""

    def some(size_px: int) -> Pixels:
        few = rows[:: -(-len(rows) // _MEASURED)]
        good = np.ones(len(few), np.bool_)

        def problem(place: int, _: PhotoError) -> None:
            good[place] = False

        with decoded([split.photos[row] for row in few], (size_px, size_px), folder, problem) as pixels:
            return np.ascontiguousarray(pixels[good])

    return some


def _mirrored(
    options: Options, engine: Engine, validation: Pixels, label_ids: npt.NDArray[np.int64], screen: Screen
) -> Options:
    """The plan with --flip_left_right where the network knows mirrored photos as well: flowers, but no digits and no arrows."""
    some = slice(_MIRRORED)
    plain, mirrored = (
        accuracy(engine.logits(photos), label_ids[some]) for photos in (validation[some], validation[some, :, ::-1])
    )
    flips = mirrored >= plain - _AS_WELL  # without validation photos both are nan
    if len(label_ids):
        verdict = "training mirrors photos too" if flips else "training does not mirror photos"
        screen.info(
            f"the pretrained network knows {plain:.1%} of validation photos and {mirrored:.1%} of them mirrored: {verdict}"
        )
    return options.replaced(flip_left_right=flips)


def _run(loop: Loop, options: Options, recipe: Recipe, screen: Screen, seen: Callable[[Point], None]) -> Any:
    """Runs the loop beside its progress; returns the curve."""
    start = time.perf_counter()
    progress, tenths = Progress(recipe.steps, "steps"), Tenths(recipe.steps)
    detail = ""
    written: list[Path] = []

    def on_point(point: Point) -> None:
        nonlocal detail
        detail = f"train {point.train_accuracy:.1%}, validation {point.validation_accuracy:.1%}"
        seen(point)
        progress.close()
        passes = (point.step + 1) * recipe.batch_size / len(loop.batches)
        validation = (
            f", validation accuracy {point.validation_accuracy:.1%} loss {point.validation_loss:.4f}"
            if point.validation_count
            else ""
        )
        if screen.logged and not screen.debugs and not tenths.due(point.step):
            return
        speed = (point.step + 1 - first) * recipe.batch_size / (time.perf_counter() - start)
        screen.info(
            f"step {point.step}, pass {passes:.1f}: train accuracy {point.train_accuracy:.1%} loss {point.train_loss:.4f}{validation}, {speed:,.0f} photos/s"
        )

    def on_state(snapshot: Snapshot) -> None:
        path = snapshot_path(options, snapshot.state["steps"])
        write_snapshot(path, snapshot)
        screen.info(f"wrote {path}; --resume={path} goes on from there")
        for old in written:  # as large as the network, and of no more use
            old.unlink(missing_ok=True)
        written[:] = [path]

    resumed = None
    if options.head.resume:
        resumed = read_snapshot(Path(options.head.resume))
        resumed.check(Path(options.head.resume), loop.asked, loop.digest, recipe.steps)
    first = int(resumed.state["steps"]) if resumed else 0
    try:
        curve = loop.run(lambda step: progress.update(step + 1, detail), on_point, on_state, resumed)
    finally:
        progress.close()
    if curve.stopped_early:
        screen.warn("training was stopped; what there is is tested and exported")
    took = duration(time.perf_counter() - start)
    if len(loop.validation_ids):
        screen.info(f"{kept_line(curve)}; {took}")
    return curve


def kept_line(curve: Curve) -> str:
    """What is kept of a training, in words."""
    if curve.share is None:
        kept = f"step {curve.kept_step}" if curve.kept_step >= 0 else "what it began with"
        return f"kept {kept}, which has the best validation loss"
    divided = f"logits divided by {curve.temperature:.2f}, so that its scores can be believed"
    if not curve.share:
        return f"fine-tuning did not improve the validation loss; the pretrained network was kept, {divided}"
    if curve.share == 1:
        return f"kept the weights of the last step, which have the best validation loss; {divided}"
    return (
        f"kept {curve.share:.0%} of the way from the pretrained weights to the last ones, which has the best validation loss; "
        f"{divided}"
    )


def _strategy(tf: Any, options: Options) -> Any:
    """Where it is trained.

    Raises:
      RunError: --distribute=mirrored, and there is nothing to mirror.
    """
    if options.finetune.distribute == "none":
        return tf.distribute.get_strategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        raise RunError(f"--distribute=mirrored: TensorFlow sees {len(devices)} device; leave it out")
    return tf.distribute.MirroredStrategy(
        [device.name for device in devices],
        cross_device_ops=None if devices[0].device_type == "GPU" else tf.distribute.ReductionToOneDevice(),
    )


def _on_gpu(tf: Any, options: Options) -> bool:
    return not options.network.device.startswith("cpu") and bool(tf.config.list_logical_devices("GPU"))


def _what(options: Options, network: Trainable) -> str:
    if options.finetune.train == "all":
        return f"all of {network.name}"
    count = options.finetune.train.removeprefix("last:")
    return f"the last {'block' if count == '1' else f'{count} blocks'} of {network.name}"


def _random_head(network: Trainable, labels: tuple[str, ...], options: Options) -> Head:
    """Layers drawn as Glorot and Bengio draw them, "Xavier" (AISTATS 2010)."""
    tf = tensorflow()
    probe = network.call(tf.zeros((1, network.height_px, network.width_px, 3)), False)
    sizes = [int(probe.shape[1]), *options.head.hidden_layers, len(labels)]
    rng = np.random.default_rng([options.head.seed, 8])
    layers = []
    for below, above in itertools.pairwise(sizes):
        widest = np.sqrt(6 / (below + above))
        layers.append((rng.uniform(-widest, widest, (below, above)).astype(np.float32), np.zeros(above, np.float32)))
    hidden = tuple(Dense(*layer, options.head.activation) for layer in layers[:-1])
    return Head(*layers[-1], labels, hidden=hidden)


def _options(options: Options, label_ids: npt.NDArray[np.int64], classes: int) -> dict[str, Any]:
    weights = np.ones(classes, np.float32)
    if options.head.class_weights == "balanced":
        weights[label_ids] = balanced_shares(label_ids)
    return {
        "label_smoothing": options.head.label_smoothing,
        "dropout": options.head.dropout,
        "seed": options.head.seed,
        "class_weights": weights,
    }


def _refuse_colour(name: str, pixels: Pixels) -> None:
    """Raises UserError where photos have colour and the network sees none."""
    coloured = int(has_colour(pixels).sum())
    if coloured:
        raise UserError(
            f"{name} sees no colour, and {coloured} of {len(pixels)} training photos have some; use simple_cnn or resnet20, or make the photos grey"
        )


def _asked(options: Options) -> dict[str, Any]:
    return {**asked_of(options), **{name: options.value(name) for name in _ASKED}}


def _digest(options: Options, split: Split, engine: Engine) -> str:
    """Of the photos, their lists and classes, and of what training begins with."""
    digest = hashlib.sha256()
    for photo, which in zip(split.photos, split.lists, strict=True):
        digest.update(f"{photo.sha256} {which} {photo.label}\n".encode("utf-8", "surrogateescape"))
    for values in engine.weights if options.finetune.weights != "none" else ():
        digest.update(values.tobytes())
    return digest.hexdigest()
