"""Writes the requested exports into the folder of the run, and verifies them there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError
from label_image.labels import format_labels
from label_image.model_metadata import Metadata
from label_image.softmax import softmax
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.quantize import quantized
from retrain.console import Screen
from retrain.exporters.expected import Expected
from retrain.exporters.order import Order, orders, why_not
from retrain.exporters.table import EXPORT_FORMATS
from retrain.exporters.verify import TOLERANCE, export
from retrain.features import library_versions
from retrain.features.recheck import LOOKED_AT, StaleFeaturesError, wrong_rows
from retrain.features.runtimes import choose
from retrain.files.atomic import replacing
from retrain.options.options import Options
from retrain.runs import usual_names
from retrain.runs.publish import Member
from retrain.types import TESTING, TRAINING, Backbone, Bottlenecks, Export, Head, Outcome, Photo, Split, Trained

MOST_PHOTOS = 10_000  # enough to find any fault; a verification with a million photos would take a day


def metadata_of(options: Options, backbone: Backbone, split: Split, test: Mapping[str, object]) -> Metadata:
    """Makes the metadata that is stored in the exports."""
    training = {
        "architecture": backbone.name,
        "backbone_digest": backbone.digest,
        "backbone_licence": backbone.licence,
        "photos": len(split.photos),
        "steps": options.head.how_many_training_steps,
        "learning_rate": options.head.learning_rate,
        "optimizer": options.head.optimizer,
        "seed": options.head.seed,
        "split_seed": options.data.split_seed,
        "precision": backbone.precision,
        **test,
    }
    return Metadata(
        split.labels, backbone.height_px, backbone.width_px, backbone.mean, backbone.std,
        backbone.input_layer, options.exports.final_tensor_name, training,
    )  # fmt: skip


@dataclass(frozen=True)
class _Work:
    """The values that all exports of a run need."""

    options: Options
    split: Split
    variants: Mapping[str, Trained]
    scores: npt.NDArray[
        np.float32
    ]  # [photos, classes], from the trained model, for the photos on which exports are run
    test: Mapping[str, object]  # the test results, for the metadata
    run: Path
    screen: Screen

    @property
    def trained(self) -> Trained:
        """Returns the trained model itself."""
        return self.variants["none"]


def write_exports(
    options: Options, split: Split, variants: Mapping[str, Trained], outcome: Outcome, run: Path, screen: Screen
) -> list[Export]:
    """Writes and verifies every export in the folder of the run; afterwards `publish` puts them at their requested paths.

    Args:
      options: all options; they say what to write, and where.
      split: the photos.
      variants: "none" is the trained model; "int8", if --quantize requests it, is the model trained on int8 features.
      outcome: the test results, for the metadata.
      run: the run's folder.
      screen: reports exports that are not written, and photos with different labels.

    Raises:
      RunError: an export labels incorrectly.
    """
    trained = variants["none"]
    rows = verified_rows(trained.bottlenecks)
    scores = softmax(trained.head.logits(trained.bottlenecks.features[0, rows]))
    test = {"test_accuracy": outcome.accuracy, "tested": outcome.tested}
    work = _Work(options, split, variants, scores, test, run, screen)
    exports = []
    for order in orders_of(options):
        exporter = order.format.exporter
        reason = why_not(order, trained.backbone) or exporter.unverifiable(trained.backbone, trained.head)
        if reason:
            screen.warn(f"no {order.path} is written: {reason}")
            continue
        screen.debug(f"writing {order.path}")
        exports.append(export(dataclasses.replace(order, kept=run / order.name), _expected(work, order.quantize, rows)))
    if not any(made.images for made in exports):
        # A graph that was verified by its digest was not run, so the stored features of its layer must be checked here.
        _recheck(options, {0: trained}, split, [split.photos[row] for row in rows])
    return [*exports, *_labels_and_layer(work)]


def orders_of(options: Options) -> list[Order]:
    """Lists the files and folders that the options request."""
    typed = {row.flag: str(options.value(row.flag)) for row in EXPORT_FORMATS}
    return orders(typed, options.exports.formats, options.quantizations)


def _expected(work: _Work, quantize: str, rows: npt.NDArray[np.int64]) -> Expected:
    """Returns what an export in one precision must reproduce."""
    options, split, trained = work.options, work.split, work.trained
    variant = _variant(quantize, work.variants, options, work.screen)
    made_with = library_versions.told(library_versions.of_key(variant.bottlenecks.key))
    both = {id(one): one for one in (trained, work.variants.get(quantize, trained))}
    return Expected(
        tuple(split.photos[row] for row in rows),
        variant.bottlenecks.features[0, rows],
        variant.head,
        variant.backbone,
        metadata_of(options, variant.backbone, split, {**work.test, "made_with": made_with}),
        work.scores,
        options.exports.max_quantization_loss,
        work.screen.warn,
        partial(_recheck, options, both, split),
    )


def _labels_and_layer(work: _Work) -> list[Export]:
    """Writes the labels, and the trained layer as plain arrays."""
    asked = work.options.exports
    labels, layer = work.run / usual_names.LABELS, work.run / usual_names.CHECKPOINT
    text = format_labels(work.split.labels)
    made = [_write_plain("labels", Path(asked.output_labels), labels, lambda path: path.write_bytes(text))]
    if asked.checkpoint_path:
        head = work.trained.head
        place = Path(f"{asked.checkpoint_stem}.npz")
        made.append(_write_plain("checkpoint", place, layer, lambda path: _save_layer(path, head)))
    return made


def _recheck(options: Options, variants: Mapping[int, Trained], split: Split, photos: Sequence[Photo]) -> None:
    """Raises StaleFeaturesError if the stored features of some photos are wrong, for any of the backbones."""
    photos = photos[:LOOKED_AT]
    row_of = {photo.path: row for row, photo in enumerate(split.photos)}
    rows = [row_of[photo.path] for photo in photos]
    for one in variants.values():
        kept = one.bottlenecks.features[0, rows]
        wrong = wrong_rows(
            one.backbone, photos, kept, choose(one.backbone, options.network.device), one.head, TOLERANCE
        )
        if wrong:
            raise StaleFeaturesError([photos[place] for place in wrong], len(photos), split.photos)


def members(exports: Sequence[Export]) -> list[Member]:
    """Lists the exports to publish, with their paths."""
    return [Member(made.kept.name, made.path) for made in exports if made.kept]


def verified_rows(bottlenecks: Bottlenecks) -> npt.NDArray[np.int64]:
    """Returns the indices of the photos on which exports are run: the test set or, if it is empty, the training set."""
    rows = bottlenecks.rows(TESTING)
    return (rows if len(rows) else bottlenecks.rows(TRAINING))[:MOST_PHOTOS]


def _variant(quantize: str, variants: Mapping[str, Trained], options: Options, screen: Screen) -> Trained:
    """Returns the model from which an export in one precision is made."""
    if quantize in variants:
        return variants[quantize]
    trained = variants["none"]
    return dataclasses.replace(
        trained,
        backbone=quantized(trained.backbone, quantize, (), ModelFolder.of(options.network, screen.info), screen.info),
    )


def _write_plain(kind: str, path: Path, kept: Path, write: Callable[[Path], object]) -> Export:
    try:
        with replacing(kept) as scratch:
            write(scratch)
        return Export(kind, path, kept.stat().st_size, kept=kept)
    except OSError as error:
        raise RunError(f"cannot write {kept}: {error.strerror or error}") from None


def _save_layer(path: Path, head: Head) -> None:
    with path.open("wb") as file:
        arrays: dict[str, Any] = {"weights": head.weights, "biases": head.biases, "labels": np.array(head.labels)}
        for number, layer in enumerate(head.hidden, 1):
            arrays |= {f"hidden_{number}_weights": layer.weights, f"hidden_{number}_biases": layer.biases}
        if head.hidden:
            arrays["activations"] = np.array([layer.activation for layer in head.hidden])
        np.savez(file, **arrays)
