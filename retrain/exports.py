"""A trained head in; every file it is written to, proven and named, out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.card import Card
from label_image.errors import RunError, UserError
from label_image.labels import format_labels
from label_image.quiet import has_tensorflow
from retrain import made_with
from retrain.atomic import replacing
from retrain.backbones.quantized import quantized
from retrain.evaluate import TOLERANCE, Proof, export
from retrain.exporters import device_folder, saved_model
from retrain.exporters.folder import check_folder
from retrain.exporters.onnx import check_installed
from retrain.exporters.table import orders, why_not
from retrain.metrics import softmax
from retrain.nouns import TESTING, TRAINING, Backbone, Bottlenecks, Export, Head, Outcome, Photo, Split, Trained
from retrain.plan import Plan
from retrain.recheck import LOOKED_AT, StaleFeaturesError, wrong_rows
from retrain.runtimes import choose
from retrain.screen import Screen

MOST_PHOTOS = 10_000  # a proof is no second test: so many photos show any fault, and a million must not take a day
_HOLDS = {"device_folder": device_folder.HOLDS, "saved_model": saved_model.HOLDS}


def card_of(plan: Plan, backbone: Backbone, split: Split, test: Mapping[str, object]) -> Card:
    """The card that travels in the exports."""
    training = {
        "architecture": backbone.name,
        "backbone_digest": backbone.digest,
        "backbone_licence": backbone.licence,
        "photos": len(split.photos),
        "steps": plan.how_many_training_steps,
        "learning_rate": plan.learning_rate,
        "optimizer": plan.optimizer,
        "seed": plan.seed,
        "split_seed": plan.split_seed,
        "precision": backbone.precision,
        **test,
    }
    return Card(
        split.labels, backbone.height_px, backbone.width_px, backbone.mean, backbone.std,
        backbone.input_layer, plan.final_tensor_name, training,
    )  # fmt: skip


def write_exports(
    plan: Plan, split: Split, variants: Mapping[str, Trained], outcome: Outcome, screen: Screen
) -> list[Export]:
    """Writes, proves and names every export.

    Args:
      plan: what to write, and where.
      split: the photos.
      variants: the trained model as "none"; what was trained on int8 features as "int8", where --quantize asks for it.
      outcome: the test, for the card.
      screen: for what is not written, and for photos that differ.

    Raises:
      RunError: an export does not label as it should.
    """
    trained = variants["none"]
    test = {"test_accuracy": outcome.accuracy, "tested": outcome.tested}
    rows = proof_rows(trained.bottlenecks)
    scores = softmax(trained.head.logits(trained.bottlenecks.features[0, rows]))
    exports = []
    for order in orders(plan):
        reason = why_not(order, trained.backbone)
        if reason:
            screen.warn(f"no {order.path} is written: {reason}")
            continue
        screen.debug(f"writing {order.path}")
        variant = _variant(order.quantize, variants, plan, screen)
        photos = tuple(split.photos[row] for row in rows)
        made = {"made_with": made_with.told(made_with.of_key(variant.bottlenecks.key))}
        proof = Proof(
            photos,
            variant.bottlenecks.features[0, rows],
            variant.head,
            variant.backbone,
            card_of(plan, variant.backbone, split, {**test, **made}),
            scores,
            plan.max_quantization_loss,
            screen.warn,
            partial(_recheck, plan, {id(one): one for one in (trained, variants.get(order.quantize, trained))}, split),
        )
        exports.append(export(order, proof))
    if not any(
        made.images for made in exports
    ):  # a graph that is known by its bits was not run: its layer rests on these
        _recheck(plan, {0: trained}, split, [split.photos[row] for row in rows])
    exports.append(
        _write_plain("labels", Path(plan.output_labels), lambda path: path.write_bytes(format_labels(split.labels)))
    )
    if plan.checkpoint_path:
        exports.append(
            _write_plain(
                "checkpoint", Path(f"{plan.checkpoint_path}.npz"), lambda path: _save_layer(path, trained.head)
            )
        )
    return exports


def _recheck(plan: Plan, variants: Mapping[int, Trained], split: Split, photos: Sequence[Photo]) -> None:
    """Raises StaleFeaturesError where what was kept of some photos is wrong, whatever backbone it is of."""
    photos = photos[:LOOKED_AT]
    row_of = {photo.path: row for row, photo in enumerate(split.photos)}
    rows = [row_of[photo.path] for photo in photos]
    for one in variants.values():
        kept = one.bottlenecks.features[0, rows]
        wrong = wrong_rows(one.backbone, photos, kept, choose(one.backbone, plan.device), one.head, TOLERANCE)
        if wrong:
            raise StaleFeaturesError([photos[place] for place in wrong], len(photos), split.photos)


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
        )
    rest = [made for made in exports if made not in run]
    return lines + [f"wrote {made.path} ({size_of(made.bytes)}{f', {made.how}' if made.how else ''})" for made in rest]


def size_of(count: int) -> str:
    """Bytes for people: "13.4 MB"."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count} B"


def _variant(quantize: str, variants: Mapping[str, Trained], plan: Plan, screen: Screen) -> Trained:
    """What an export is made of."""
    if quantize in variants:
        return variants[quantize]
    trained = variants["none"]
    return dataclasses.replace(trained, backbone=quantized(trained.backbone, quantize, (), plan, screen.info))


def _write_plain(kind: str, path: Path, write: Callable[[Path], object]) -> Export:
    try:
        with replacing(path) as scratch:
            write(scratch)
        return Export(kind, path, path.stat().st_size)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None


def _save_layer(path: Path, head: Head) -> None:
    with path.open("wb") as file:
        arrays: dict[str, Any] = {"weights": head.weights, "biases": head.biases, "labels": np.array(head.labels)}
        for number, layer in enumerate(head.hidden, 1):
            arrays |= {f"hidden_{number}_weights": layer.weights, f"hidden_{number}_biases": layer.biases}
        if head.hidden:
            arrays["activations"] = np.array([layer.activation for layer in head.hidden])
        np.savez(file, **arrays)


def check_outputs(plan: Plan) -> None:
    """Finds out before the work whether its results can be written.

    Raises:
      UserError: a folder where a file is to go, something else where a folder is to go, or a graph that can not be proven
        because TensorFlow is not installed.
      RunError: a folder that can not be made.
    """
    for order in orders(plan):
        flag = order.exporter.flag
        if order.exporter.kind in _HOLDS:
            check_folder(flag, order.path, _HOLDS[order.exporter.kind])
        if not order.exporter.needs_litert and plan.backbone_precision == "float32" and not has_tensorflow():
            without = f"--{flag}=" if getattr(plan, flag) else "--export=tflite"
            raise UserError(
                f"cannot prove --{flag}={order.path}: TensorFlow is not installed; go without it: {without}"
            )
        if order.exporter.kind == "onnx" and plan.backbone_precision == "float32":
            check_installed()
        if order.exporter.kind in ("tflite", "graph", "onnx"):
            _check_file(flag, order.path)
    _check_file("output_labels", Path(plan.output_labels))


def _check_file(flag: str, path: Path) -> None:
    if path.is_dir():
        raise UserError(f"cannot write --{flag}={path}: it is a folder; give a file's name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write --{flag}={path}: {error.strerror or error}; choose another place") from None
