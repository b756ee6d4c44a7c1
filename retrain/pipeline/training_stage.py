"""Features in, a trained layer out, and what the user reads meanwhile: the original's lines, summaries, snapshots."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from retrain.console import Screen
from retrain.exporters import graph as graph_exporter
from retrain.exporters.write_all import metadata_of
from retrain.files.atomic import replacing
from retrain.head.snapshots import Snapshot, snapshot_path, write_snapshot
from retrain.head.train import Evaluation, train
from retrain.options.options import Options
from retrain.progress import Progress, Tenths
from retrain.report.tensorboard import Summaries
from retrain.types import TESTING, TRAINING, VALIDATION, Backbone, Bottlenecks, Curve, Head, Split

_TUNED_FEATURES = "features_of_the_last_run"  # a folder of --fine_tuned_dir that only we would call so: it is emptied


def training_stage(
    options: Options, split: Split, bottlenecks: Bottlenecks, backbone: Backbone, screen: Screen
) -> Head:
    """Trains the layer; writes summaries and intermediate graphs on the way."""
    counts = split.counts().sum(axis=0)
    screen.info(
        f"training on {counts[TRAINING]} photos of {len(split.labels)} classes; {counts[VALIDATION]} for validation, {counts[TESTING]} for the test"
    )
    summaries = Summaries(Path(options.run.summaries_dir)) if options.run.summaries_dir else None
    progress = Progress(options.head.how_many_training_steps, "steps")
    tenths = Tenths(options.head.how_many_training_steps)

    def on_evaluation(point: Evaluation) -> None:
        if summaries:
            summaries.write(point)
        _tell(point, options.head.how_many_training_steps, screen, (progress, tenths))

    def on_snapshot(step: int, head: Head) -> None:
        path = Path(f"{options.exports.intermediate_output_graphs_dir}intermediate_{step}.pb")
        screen.info(f"Save intermediate result to : {path}")
        with replacing(path) as scratch:
            graph_exporter.write(scratch, head, backbone, metadata_of(options, backbone, split, {}))

    def on_state(snapshot: Snapshot) -> None:
        path = snapshot_path(options, snapshot.state["steps"])
        write_snapshot(path, snapshot)
        screen.info(f"wrote {path}; --resume={path} goes on from there")

    try:
        head = train(bottlenecks, split.labels, options, on_evaluation, on_snapshot, on_state)
    finally:
        progress.close()
        if summaries:
            summaries.close()
    if head.curve and head.curve.stopped_early:
        screen.warn("training was stopped; what there is is tested and exported")
    for line in ending_lines(options, head.curve, counts[VALIDATION] > 0):
        screen.info(line)
    return head


def _tell(point: Evaluation, steps: int, screen: Screen, shown: tuple[Progress, Tenths]) -> None:
    """Says how far training is: the original's lines, a line now and then, or the progress on a terminal."""
    if screen.debugs:
        for line in evaluation_lines(point):
            screen.debug(line)
        return
    progress, tenths = shown
    if screen.logged and tenths.due(point.step):
        progress.close()
        screen.info(summary_line(point, steps))
    if screen.terminal:
        progress.update(point.step + 1, _accuracies(point))


def ending_lines(options: Options, curve: Curve | None, validated: bool) -> list[str]:
    """How training ended, for people."""
    if curve and curve.weight_decay is not None:
        return [f"solved in {curve.kept_step} iterations, with a weight decay of {curve.weight_decay:g}"]
    if curve is None or curve.kept_step < 0 or not validated:
        return []
    lines = [f"kept step {curve.kept_step}, the one with the best validation loss"]
    if curve.steps[-1] < options.head.how_many_training_steps - 1 and not curve.stopped_early:
        patience = options.head.early_stopping_steps
        lines[:0] = [f"ended behind step {curve.steps[-1]}: the validation loss had not fallen for {patience} steps"]
    return lines


def summary_line(point: Evaluation, steps: int) -> str:
    """One evaluation as one line."""
    return f"step {point.step + 1:,} of {steps:,}: cross entropy {point.train_loss:.3f}, {_accuracies(point)}"


def _accuracies(point: Evaluation) -> str:
    validation = f", validation {point.validation_accuracy:.1%}" if point.validation_count else ""
    return f"train {point.train_accuracy:.1%}{validation}"


def evaluation_lines(point: Evaluation) -> list[str]:
    """The original's lines for one evaluation, word for word."""
    now = dt.datetime.now()  # noqa: DTZ005 - local time, as the original's
    lines = [
        f"{now}: Step {point.step}: Train accuracy = {point.train_accuracy * 100:.1f}%",
        f"{now}: Step {point.step}: Cross entropy = {point.train_loss:f}",
    ]
    if point.validation_count:
        lines.append(
            f"{now}: Step {point.step}: Validation accuracy = {point.validation_accuracy * 100:.1f}% (N={point.validation_count})"
        )
    return lines
