"""A trained head in; every file it is written to, proven and named, out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
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
from retrain.exporters.table import orders, why_not
from retrain.exporters.verify import TOLERANCE, Proof, export
from retrain.features import library_versions
from retrain.features.recheck import LOOKED_AT, StaleFeaturesError, wrong_rows
from retrain.features.runtimes import choose
from retrain.files.atomic import replacing
from retrain.options.options import Options
from retrain.runs import usual_names
from retrain.runs.publish import Member
from retrain.types import TESTING, TRAINING, Backbone, Bottlenecks, Export, Head, Outcome, Photo, Split, Trained

MOST_PHOTOS = 10_000  # a proof is no second test: so many photos show any fault, and a million must not take a day
# What a program that is not ours made of an export (docs/elsewhere.md).
_OUTCOMES = {
    "agrees": "agrees",
    "differs": "gives other scores",
    "refuses": "cannot read it",
    "crashes": "crashes on it",
    "hangs": "does not answer",
}


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


def write_exports(
    options: Options, split: Split, variants: Mapping[str, Trained], outcome: Outcome, run: Path, screen: Screen
) -> list[Export]:
    """Writes every export into the folder of the run and verifies it there; `publish` gives them their names.

    Args:
      plan: what to write, and where.
      split: the photos.
      variants: the trained model as "none"; what was trained on int8 features as "int8", where --quantize asks for it.
      outcome: the test, for the metadata.
      run: the run's folder.
      screen: for what is not written, and for photos that differ.

    Raises:
      RunError: an export does not label as it should.
    """
    trained = variants["none"]
    test = {"test_accuracy": outcome.accuracy, "tested": outcome.tested}
    rows = proof_rows(trained.bottlenecks)
    scores = softmax(trained.head.logits(trained.bottlenecks.features[0, rows]))
    exports = []
    for order in orders(options):
        reason = why_not(order, trained.backbone)
        if reason:
            screen.warn(f"no {order.path} is written: {reason}")
            continue
        screen.debug(f"writing {order.path}")
        variant = _variant(order.quantize, variants, options, screen)
        photos = tuple(split.photos[row] for row in rows)
        made = {"made_with": library_versions.told(library_versions.of_key(variant.bottlenecks.key))}
        proof = Proof(
            photos,
            variant.bottlenecks.features[0, rows],
            variant.head,
            variant.backbone,
            metadata_of(options, variant.backbone, split, {**test, **made}),
            scores,
            options.exports.max_quantization_loss,
            screen.warn,
            partial(
                _recheck, options, {id(one): one for one in (trained, variants.get(order.quantize, trained))}, split
            ),
        )
        exports.append(export(dataclasses.replace(order, kept=run / order.name), proof))
    if not any(made.images for made in exports):
        # A graph that is known by its bits was not run, so nothing has shown that its layer rests on right features.
        _recheck(options, {0: trained}, split, [split.photos[row] for row in rows])
    exports.append(
        _write_plain(
            "labels",
            Path(options.exports.output_labels),
            run / usual_names.LABELS,
            lambda path: path.write_bytes(format_labels(split.labels)),
        )
    )
    if options.exports.checkpoint_path:
        exports.append(
            _write_plain(
                "checkpoint",
                Path(f"{options.exports.checkpoint_stem}.npz"),
                run / usual_names.CHECKPOINT,
                lambda path: _save_layer(path, trained.head),
            )
        )
    return exports


def _recheck(options: Options, variants: Mapping[int, Trained], split: Split, photos: Sequence[Photo]) -> None:
    """Raises StaleFeaturesError where what was kept of some photos is wrong, whatever backbone it is of."""
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
    """What of a run goes where."""
    return [Member(made.kept.name, made.path) for made in exports if made.kept]


def proof_rows(bottlenecks: Bottlenecks) -> npt.NDArray[np.int64]:
    """The photos that exports are run on: the test list; where it is empty, the training list."""
    rows = bottlenecks.rows(TESTING)
    return (rows if len(rows) else bottlenecks.rows(TRAINING))[:MOST_PHOTOS]


def table_lines(exports: Sequence[Export]) -> list[str]:
    """What became of each export, for people: a table of those that were run, a line for each of the others."""
    run = [made for made in exports if made.accuracy is not None and made.interval is not None]
    width = max((len(str(made.path)) for made in run), default=0)
    lines = []
    if run:
        lines.append(
            f"{f'run on {run[0].images} photos':{width}}      size  ms/image  same label  score within  accuracy (95 times in 100)"
        )
    for made in run:
        low, high = made.interval or (0.0, 1.0)
        lines.append(
            f"{made.path!s:{width}}  {size_of(made.bytes):>8}  {made.ms_image or 0:8.1f}  {made.agreement or 0:10.1%}  "
            f"{made.largest_difference or 0:12.0e}  {made.accuracy or 0:.1%} ({low:.1%} to {high:.1%})"
            f"{''.join(f'  {one.reader} {_OUTCOMES[one.outcome]}' for one in made.readings)}"
        )
    rest = [made for made in exports if made not in run]
    return lines + [f"wrote {made.path} ({size_of(made.bytes)}{f', {made.how}' if made.how else ''})" for made in rest]


def size_of(count: int) -> str:
    """Bytes for people: "13.4 MB"."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count} B"


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
