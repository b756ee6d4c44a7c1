"""Converts the options into plain values for the functions of the stages, because nothing below the pipeline knows the options."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from label_image.errors import UserError
from retrain.data.augment import Distortions, View, views_of
from retrain.data.layout import FolderRules
from retrain.data.scan import scan_photos
from retrain.data.split import Percentages, split_photos
from retrain.finetune import recipe
from retrain.finetune.network_training import NetworkTraining
from retrain.finetune.recipe import AUGMENTATION, Recipe
from retrain.head.layer_training import LayerTraining
from retrain.head.schedule import Schedule
from retrain.options.head import MOST_STEPS
from retrain.options.option import in_snapshot
from retrain.options.options import Options
from retrain.store.feature_store import Store
from retrain.types import Scan, Split

_MOMENTUM = 0.9


def scanned(options: Options, store: Store, say: Callable[[str], None]) -> Scan:
    """Finds the photos in --image_dir."""
    data = options.data
    return scan_photos(data.image_dir, store, say, rules_of(options), percentages_of(options), strict=data.strict)


def divided(options: Options, scan: Scan) -> Split:
    """Splits the photos into subsets."""
    return split_photos(scan, percentages_of(options), options.data.split_seed, legacy=options.data.legacy_split)


def rules_of(options: Options) -> FolderRules:
    """Returns the rules by which folders are read as classes."""
    return FolderRules(options.data.nested, options.data.legacy_labels)


def percentages_of(options: Options) -> Percentages:
    """Returns the sizes of the validation and the test set."""
    return Percentages(options.data.validation_percentage, options.data.testing_percentage)


def distortions_of(options: Options) -> Distortions:
    """Returns the requested distortions."""
    return Distortions(
        **{field.name: getattr(options.distortions, field.name) for field in dataclasses.fields(Distortions)}
    )


def cached_views(options: Options) -> list[View]:
    """Lists the distorted views to store; none if the network is trained, because it gets new distortions at each step."""
    if options.finetune.tunes:
        return []
    return views_of(distortions_of(options), options.distortions.cached_views, options.head.seed)


def schedule_of(options: Options) -> Schedule:
    """Returns the schedule of the learning rate."""
    head = options.head
    return Schedule(
        head.learning_rate, head.lr_policy, head.gamma, head.power, head.stepsize, head.how_many_training_steps
    )


def layer_training(options: Options) -> LayerTraining:
    """Returns the settings for training the layer."""
    head = options.head
    return LayerTraining(
        steps=head.how_many_training_steps,
        schedule=schedule_of(options),
        optimizer=head.optimizer,
        momentum=momentum_of(options),
        weight_decay=head.decay,
        hidden_layers=head.hidden_layers,
        activation=head.activation,
        dropout=head.dropout,
        label_smoothing=head.label_smoothing,
        balanced=head.class_weights == "balanced",
        train_batch_size=head.train_batch_size,
        validation_batch_size=head.validation_batch_size,
        seed=head.seed,
        evaluate_every=head.eval_step_interval,
        patience=head.early_stopping_steps,
        snapshot_every=head.snapshot_steps,
        head_every=options.exports.intermediate_store_frequency,
        resume=Path(head.resume) if head.resume else None,
        asked=_agreed(options),
    )


def first_layer_training(options: Options) -> LayerTraining:
    """Returns the settings for the layer that is trained before the network: without snapshots and intermediate heads."""
    return dataclasses.replace(layer_training(options), snapshot_every=0, head_every=0, resume=None)


def momentum_of(options: Options) -> float:
    """Returns the momentum coefficient."""
    return _MOMENTUM if options.head.momentum is None else options.head.momentum


def recipe_of(options: Options, photos: int) -> Recipe:
    """How the network is trained on so many photos.

    Raises:
      UserError: --epochs results in more steps than --how_many_training_steps may have.
    """
    tuning = options.finetune
    made = _from_nothing(options, photos) if tuning.weights == "none" else _from_pretrained(options, photos)
    if tuning.epochs and made.steps > MOST_STEPS:
        raise UserError(
            f"--epochs={tuning.epochs} is out of range: on {photos:,} training photos it takes {made.steps:,} steps of {made.batch_size}, and at most {MOST_STEPS:,} are possible; give fewer epochs"
        )
    return made


def _from_nothing(options: Options, photos: int) -> Recipe:
    head = options.head
    return recipe.from_nothing(
        photos,
        epochs=options.finetune.epochs,
        batch_size=head.train_batch_size,
        optimizer=head.optimizer,
        momentum=momentum_of(options),
        schedule=schedule_of(options),
        decay=head.decay,
    )


def _from_pretrained(options: Options, photos: int) -> Recipe:
    tuning = options.finetune
    return recipe.from_pretrained(
        photos,
        epochs=tuning.epochs,
        batch_size=tuning.fine_tune_batch_size,
        optimizer=tuning.fine_tune_optimizer,
        momentum=momentum_of(options),
        highest_rate=tuning.fine_tune_learning_rate,
        decay=options.head.decay,
    )


def network_training(options: Options, photos: int) -> NetworkTraining:
    """How the network is trained on so many photos."""
    head, tuning = options.head, options.finetune
    distortions = distortions_of(options)
    augments = tuning.augment and not distortions.distorts and tuning.weights != "none"
    return NetworkTraining(
        recipe=recipe_of(options, photos),
        train=tuning.train,
        folder=Path(tuning.fine_tuned_dir),
        checkpoint=options.exports.checkpoint_stem,
        distortions=AUGMENTATION if augments else distortions,
        mirrors_if_known=augments,
        hidden_layers=head.hidden_layers,
        activation=head.activation,
        dropout=head.dropout,
        label_smoothing=head.label_smoothing,
        balanced=head.class_weights == "balanced",
        seed=head.seed,
        whole_validation_set=head.validation_batch_size < 0,
        patience=head.early_stopping_steps,
        snapshot_every=head.snapshot_steps,
        resume=Path(head.resume) if head.resume else None,
        strict=options.data.strict,
        mirrored_devices=tuning.distribute == "mirrored",
        gpu_allowed=not options.network.device.startswith("cpu"),
        asked=_agreed_for_network(options),
    )


def _agreed(options: Options) -> dict[str, Any]:
    """Returns the options, with values, with which a snapshot of the layer must have been made (see `in_snapshot` of each option)."""
    names = in_snapshot(Options, "always")
    if options.head.lr_policy == "cosine":
        names += in_snapshot(Options, "cosine")
    return {name: options.value(name) for name in names}


def _agreed_for_network(options: Options) -> dict[str, Any]:
    """Returns the options, with values, with which a snapshot of a network must have been made."""
    return {**_agreed(options), **{name: options.value(name) for name in in_snapshot(Options, "network")}}
