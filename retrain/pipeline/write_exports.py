"""The stage that writes the exports: each file that was asked for is written into the folder of the run and verified there."""

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

MOST_PHOTOS = 10_000  # verification is no second test: so many photos show any fault, and a million must not take a day


def metadata_of(options: Options, backbone: Backbone, split: Split, test: Mapping[str, object]) -> Metadata:
    """The metadata that travels in the exports."""
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
    """The values that all exports of a run share."""

    options: Options
    split: Split
    variants: Mapping[str, Trained]
    scores: npt.NDArray[np.float32]  # [photos, classes], the trained model's, of the photos that exports are run on
    test: Mapping[str, object]  # the figures of the test, for the metadata
    run: Path
    screen: Screen

    @property
    def trained(self) -> Trained:
        """The trained model itself."""
        return self.variants["none"]


def write_exports(
    options: Options, split: Split, variants: Mapping[str, Trained], outcome: Outcome, run: Path, screen: Screen
) -> list[Export]:
    """Writes every export into the folder of the run and verifies it there; `publish` gives them their names.

    Args:
      options: what to write, and where.
      split: the photos.
      variants: the trained model as "none"; what was trained on int8 features as "int8", where --quantize asks for it.
      outcome: the test, for the metadata.
      run: the run's folder.
      screen: for what is not written, and for photos that differ.

    Raises:
      RunError: an export does not label as it should.
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
        # A graph that is known by its bits was not run, so nothing has shown that its layer rests on right features.
        _recheck(options, {0: trained}, split, [split.photos[row] for row in rows])
    return [*exports, *_labels_and_layer(work)]


def orders_of(options: Options) -> list[Order]:
    """The files and folders that the options ask for."""
    typed = {row.flag: str(options.value(row.flag)) for row in EXPORT_FORMATS}
    return orders(typed, options.exports.formats, options.quantizations)


def _expected(work: _Work, quantize: str, rows: npt.NDArray[np.int64]) -> Expected:
    """What an export in one precision has to reproduce."""
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
    """The labels, and the trained layer as plain arrays."""
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
    """Raises StaleFeaturesError if the kept features of some photos are wrong, of whichever backbone."""
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
    """Lists the files of a run and where each is published."""
    return [Member(made.kept.name, made.path) for made in exports if made.kept]


def verified_rows(bottlenecks: Bottlenecks) -> npt.NDArray[np.int64]:
    """The photos that exports are run on: the test set; where it is empty, the training set."""
    rows = bottlenecks.rows(TESTING)
    return (rows if len(rows) else bottlenecks.rows(TRAINING))[:MOST_PHOTOS]


def _variant(quantize: str, variants: Mapping[str, Trained], options: Options, screen: Screen) -> Trained:
    """What an export is made of."""
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
