"""A trained head in; every file it is written to, proven and named, out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from label_image.card import Card
from label_image.errors import RunError, UserError
from label_image.labels import format_labels
from label_image.quiet import has_tensorflow
from retrain.atomic import replacing
from retrain.evaluate import MOST_PHOTOS, Proof, export
from retrain.exporters.device_folder import check_device_folder
from retrain.exporters.table import asked, impossible
from retrain.nouns import TESTING, TRAINING, Backbone, Bottlenecks, Export, Head, Outcome, Split
from retrain.plan import Plan
from retrain.screen import Screen


def card_of(plan: Plan, backbone: Backbone, split: Split, test: Mapping[str, object]) -> Card:
    """The card that travels in the exports."""
    training = {
        "architecture": backbone.name,
        "backbone_digest": backbone.digest,
        "backbone_licence": backbone.licence,
        "photos": len(split.photos),
        "steps": plan.how_many_training_steps,
        "learning_rate": plan.learning_rate,
        "seed": plan.seed,
        "split_seed": plan.split_seed,
        **test,
    }
    return Card(
        split.labels, backbone.height_px, backbone.width_px, backbone.mean, backbone.std,
        backbone.input_layer, plan.final_tensor_name, training,
    )  # fmt: skip


def write_exports(
    plan: Plan, split: Split, bottlenecks: Bottlenecks, head: Head, backbone: Backbone, outcome: Outcome, screen: Screen
) -> list[Export]:
    """Writes, proves and names every export."""
    rows = bottlenecks.rows(TESTING) if len(bottlenecks.rows(TESTING)) else bottlenecks.rows(TRAINING)
    rows = rows[:MOST_PHOTOS]
    test = {"test_accuracy": outcome.accuracy, "tested": outcome.tested}
    proof = Proof(
        tuple(split.photos[row] for row in rows),
        bottlenecks.features[0, rows],
        head,
        backbone,
        card_of(plan, backbone, split, test),
    )
    for path in impossible(plan, backbone):
        screen.warn(f"no {path} is written: LiteRT can not run {backbone.name}")
    exports = []
    for row, path in asked(plan, backbone):
        screen.debug(f"writing {path}")
        exports.append(export(row, path, proof))
    exports.append(
        _write_plain("labels", Path(plan.output_labels), lambda path: path.write_bytes(format_labels(split.labels)))
    )
    if plan.checkpoint_path:
        exports.append(
            _write_plain("checkpoint", Path(f"{plan.checkpoint_path}.npz"), lambda path: _save_layer(path, head))
        )
    return exports


def _write_plain(kind: str, path: Path, write: Callable[[Path], object]) -> Export:
    try:
        with replacing(path) as scratch:
            write(scratch)
        return Export(kind, path, path.stat().st_size)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from None


def _save_layer(path: Path, head: Head) -> None:
    with path.open("wb") as file:
        np.savez(file, weights=head.weights, biases=head.biases, labels=np.array(head.labels))


def check_outputs(plan: Plan) -> None:
    """Finds out before the work whether its results can be written.

    Raises:
      UserError: a folder where a file is to go, something else where a device folder is to go, or a graph that can not
        be proven because TensorFlow is not installed.
      RunError: a folder that can not be made.
    """
    if plan.device_folder:
        check_device_folder(Path(plan.device_folder))
    for flag in ("output_graph", "saved_model_dir"):
        if getattr(plan, flag) and not has_tensorflow():
            raise UserError(
                f"cannot prove --{flag}={getattr(plan, flag)}: TensorFlow is not installed; go without it: --{flag}="
            )
    for flag in ("output_tflite", "output_graph", "output_labels"):
        path = Path(getattr(plan, flag))
        if getattr(plan, flag) and path.is_dir():
            raise UserError(f"cannot write --{flag}={path}: it is a folder; give a file's name")
        if getattr(plan, flag):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise RunError(
                    f"cannot write --{flag}={path}: {error.strerror or error}; choose another place"
                ) from None
