"""Implements the stage that trains the layer: prints the lines of the original, writes summaries, snapshots and intermediate graphs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from retrain.console import Screen
from retrain.exporters import graph as graph_exporter
from retrain.features.photo_features import PhotoFeatures
from retrain.files.atomic import replacing
from retrain.head.layer_training import LayerTraining
from retrain.head.snapshots import Snapshot, snapshot_path, write_snapshot
from retrain.head.train import Evaluation, train
from retrain.options.options import Options
from retrain.pipeline.settings import first_layer_training, layer_training
from retrain.pipeline.write_exports import metadata_of
from retrain.progress import Progress, Tenths
from retrain.report.tensorboard import Summaries
from retrain.types import TESTING, TRAINING, VALIDATION, Curve, Head, Split


def train_layer(options: Options, features: PhotoFeatures, screen: Screen) -> Head:
    """Trains the layer; writes summaries, snapshots and intermediate graphs during training."""
    summaries = Summaries(Path(options.run.summaries_dir)) if options.run.summaries_dir else None

    def on_snapshot(snapshot: Snapshot) -> None:
        path = snapshot_path(options.exports.checkpoint_stem, snapshot.state["steps"])
        write_snapshot(path, snapshot)
        screen.info(f"wrote {path}; --resume={path} goes on from there")

    try:
        return _train(
            layer_training(options),
            features,
            screen,
            summaries.write if summaries else lambda _: None,
            _intermediate_graphs(options, features, screen),
            on_snapshot,
        )
    finally:
        if summaries:
            summaries.close()


def train_first_layer(options: Options, features: PhotoFeatures, screen: Screen) -> Head:
    """Trains the layer with which fine-tuning of the network starts; writes nothing during training."""
    return _train(first_layer_training(options), features, screen)


def _intermediate_graphs(options: Options, features: PhotoFeatures, screen: Screen) -> Callable[[int, Head], None]:
    """Returns a function that writes the intermediate graph of a step."""

    def on_head(step: int, head: Head) -> None:
        path = Path(f"{options.exports.intermediate_output_graphs_dir}intermediate_{step}.pb")
        screen.info(f"Save intermediate result to : {path}")
        with replacing(path) as scratch:
            metadata = metadata_of(options, features.backbone, features.split, {})
            graph_exporter.write(scratch, head, features.backbone, metadata)

    return on_head


def _train(
    how: LayerTraining,
    features: PhotoFeatures,
    screen: Screen,
    on_evaluation: Callable[[Evaluation], None] = lambda _: None,
    on_head: Callable[[int, Head], None] = lambda _step, _head: None,
    on_snapshot: Callable[[Snapshot], None] = lambda _: None,
) -> Head:
    """Trains the layer and shows its progress."""
    announce(features.split, screen)
    shown = _Shown(how.steps, screen)

    def evaluated(point: Evaluation) -> None:
        on_evaluation(point)
        shown.evaluation(point)

    try:
        head = train(features.bottlenecks, features.split.labels, how, evaluated, on_head, on_snapshot)
    finally:
        shown.close()
    if head.curve and head.curve.stopped_early:
        screen.warn("training was stopped; the current weights are tested and exported")
    validated = bool((features.split.lists == VALIDATION).any())
    for line in ending_lines(head.curve, how.steps, how.patience, validated):
        screen.info(line)
    return head


def announce(split: Split, screen: Screen) -> None:
    """Prints on how many photos the layer is trained."""
    counts = split.counts().sum(axis=0)
    screen.info(
        f"training on {counts[TRAINING]} photos of {len(split.labels)} classes; {counts[VALIDATION]} for validation, {counts[TESTING]} for the test"
    )


class _Shown:
    """Shows the progress of training: the lines of the original, a line from time to time, or a progress line on a terminal."""

    def __init__(self, steps: int, screen: Screen) -> None:
        self._steps, self._screen = steps, screen
        self._progress, self._tenths = Progress(steps, "steps"), Tenths(steps)

    def evaluation(self, point: Evaluation) -> None:
        """Shows an evaluation."""
        screen = self._screen
        if screen.debugs:
            for line in evaluation_lines(point):
                screen.debug(line)
            return
        if screen.logged and self._tenths.due(point.step):
            self._progress.close()
            screen.info(summary_line(point, self._steps))
        if screen.terminal:
            self._progress.update(point.step + 1, _accuracies(point))

    def close(self) -> None:
        """Clears the progress line."""
        self._progress.close()


def ending_lines(curve: Curve | None, steps: int, patience: int, validated: bool) -> list[str]:
    """Describes for the user how training ended.

    Args:
      curve: the learning curve of the training.
      steps: the requested number of steps.
      patience: steps without a better validation loss after which training ends.
      validated: whether there is a validation set.
    """
    if curve and curve.weight_decay is not None:
        return [f"solved in {curve.kept_step} iterations, with a weight decay of {curve.weight_decay:g}"]
    if curve is None or curve.kept_step < 0 or not validated:
        return []
    lines = [f"kept step {curve.kept_step}, the one with the best validation loss"]
    if curve.steps[-1] < steps - 1 and not curve.stopped_early:
        lines[:0] = [f"ended after step {curve.steps[-1]}: the validation loss had not fallen for {patience} steps"]
    return lines


def summary_line(point: Evaluation, steps: int) -> str:
    """Formats an evaluation as one line."""
    return f"step {point.step + 1:,} of {steps:,}: cross entropy {point.train_loss:.3f}, {_accuracies(point)}"


def _accuracies(point: Evaluation) -> str:
    validation = f", validation {point.validation_accuracy:.1%}" if point.validation_count else ""
    return f"train {point.train_accuracy:.1%}{validation}"


def evaluation_lines(point: Evaluation) -> list[str]:
    """Formats an evaluation in exactly the lines of the original."""
    now = dt.datetime.now()  # noqa: DTZ005 - local time, as in the original
    lines = [
        f"{now}: Step {point.step}: Train accuracy = {point.train_accuracy * 100:.1f}%",
        f"{now}: Step {point.step}: Cross entropy = {point.train_loss:f}",
    ]
    if point.validation_count:
        lines.append(
            f"{now}: Step {point.step}: Validation accuracy = {point.validation_accuracy * 100:.1f}% (N={point.validation_count})"
        )
    return lines
