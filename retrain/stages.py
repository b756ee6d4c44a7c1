"""The pipeline in words: a Plan in; exports, summaries and a run record out, and what the user reads meanwhile.

Each stage says its line; the numbers are made by functions that know no path, clock or flag.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import UserError
from label_image.quiet import has_tensorflow
from retrain import lbfgs, report, runs
from retrain.atomic import replacing
from retrain.audit.audit import Auditor
from retrain.augment import View
from retrain.backbones.prepare import prepare
from retrain.backbones.quantized import quantized
from retrain.backbones.table import Architecture, architecture
from retrain.bottlenecks import key_for
from retrain.exporters import graph as graph_exporter
from retrain.exports import card_of, check_outputs, table_lines, write_exports
from retrain.features import features_stage, int8_twin, training_photos
from retrain.finetune.checks import check_network
from retrain.head import Evaluation, Sampler, train
from retrain.metrics import recall_at, softmax, wilson_interval
from retrain.nouns import (
    TESTING,
    TRAINING,
    VALIDATION,
    Backbone,
    Bottlenecks,
    Curve,
    Head,
    Outcome,
    Pace,
    Photo,
    Scan,
    Split,
    Trained,
)
from retrain.plan import DISTORTIONS, Plan
from retrain.progress import Progress
from retrain.runtimes import Runtime, choose
from retrain.scan import few_photo_notes, scan_photos
from retrain.screen import Screen
from retrain.snapshots import Snapshot, read_snapshot, snapshot_path, write_snapshot
from retrain.split import split_photos
from retrain.store import Store
from retrain.summaries import Summaries, check_folder, write_test

_TUNED_FEATURES = "features_of_the_last_run"  # a folder of --fine_tuned_dir that only we would call so: it is emptied
_FEW_CLASSES = 3  # with so many, one of the best two is right too often to say anything
Network = tuple[Backbone, Runtime]


@dataclasses.dataclass
class Clock:
    """Seconds spent in each stage."""

    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time of the block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def retrain(plan: Plan, screen: Screen) -> Outcome:
    """Does the whole job.

    Raises:
      UserError: the photos or flags can not be meant.
      RunError: the work failed.
      KeyboardInterrupt: Ctrl-C before training; what was computed is kept.
    """
    clock = Clock()
    check(plan)
    ready = prepared(plan, clock, screen)
    scan, split, (backbone, runtime), bottlenecks = ready.scan, ready.split, ready.network, ready.bottlenecks
    key = key_for(backbone, runtime, View())
    with clock.stage("audit"):
        auditor = (
            Auditor(split, bottlenecks.features[0], key, Path(plan.bottleneck_dir)) if plan.report != "none" else None
        )
    with closing(auditor) if auditor else nullcontext():  # it works while training does
        with clock.stage("training"):
            head = ready.head or training_stage(plan, split, bottlenecks, backbone, screen)
            trained = Trained(head, backbone, bottlenecks)
        with clock.stage("test"):
            outcome = test_stage(plan, split, bottlenecks, head, screen)
        with clock.stage("exports"):
            exports = write_exports(plan, split, variants_of(plan, split, trained, ready.twin), outcome, screen)
        with clock.stage("audit"):
            audit = auditor.audit(outcome) if auditor else None
        outcome = dataclasses.replace(outcome, exports=tuple(exports), audit=audit)
    folder = runs.new_folder(plan)
    record = runs.record_of(
        plan, scan, split, (backbone, runtime), bottlenecks, head, outcome, clock.seconds, ready.pace
    )
    made = [runs.write_record(folder, record)]
    if plan.report == "html":
        with clock.stage("report"):
            if plan.summaries_dir:
                kept_step = head.curve.kept_step if head.curve else 0
                write_test(Path(plan.summaries_dir), bottlenecks.features[0], split, outcome, kept_step)
            made += report_stage(folder, record, head, screen)
        runs.write_record(folder, {**record, "seconds": runs.rounded(clock.seconds)})
    closing_lines(split, outcome, made, screen)
    return outcome


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What the layer is trained on, or the layer too where the network was trained with it."""

    scan: Scan
    split: Split
    network: Network
    bottlenecks: Bottlenecks
    pace: Pace
    head: Head | None = None
    twin: tuple[Backbone, Bottlenecks] | None = None  # for --quantize=int8


def prepared(plan: Plan, clock: Clock, screen: Screen) -> Prepared:
    """Scans and deals the photos, makes the network ready or trains it, and gets the features of all photos."""
    store = Store(Path(plan.bottleneck_dir))
    try:
        with clock.stage("scan"):
            scan = scan_photos(plan, store, screen.info)
            split = split_photos(scan, plan)
        screen.notes([*few_photo_notes(scan), *scan.notes])
        made = None
        if plan.weights != "none":
            with clock.stage("backbone"):
                network = pretrained(plan, split, screen)
            made = featured(plan, scan, split, (*network, store), clock, screen)
        if made is None or plan.tunes:
            begin = None
            if made:
                scan, split = made.scan, made.split
                with clock.stage("training"):
                    begin = training_stage(layer_plan(plan), split, made.bottlenecks, made.network[0], screen)
            with clock.stage("fine_tuning"):
                backbone, runtime, head = fine_tuning_stage(plan, split, begin, screen)
            store.close()
            store = tuned_store(plan)
            made = featured(plan, scan, split, (backbone, runtime, store), clock, screen)
            made = dataclasses.replace(made, head=head)
        with clock.stage("int8"):
            twin = int8_twin(undistorted(plan), made.split, made.network[0], store, screen)
        return dataclasses.replace(made, twin=twin)
    finally:
        store.close()


def featured(
    plan: Plan, scan: Scan, split: Split, tools: tuple[Backbone, Runtime, Store], clock: Clock, screen: Screen
) -> Prepared:
    """The features of all photos; a network that is trained sees its distortions anew at each step, not as kept views."""
    with clock.stage("features"):
        scan, split, bottlenecks, pace = features_stage(undistorted(plan), scan, split, tools, screen)
    return Prepared(scan, split, tools[:2], bottlenecks, pace)


def pretrained(plan: Plan, split: Split, screen: Screen) -> Network:
    """The backbone of a plan with the weights that it came with, and what runs it."""
    backbone = prepare(plan, screen.info)
    if plan.backbone_precision != "float32":
        backbone = quantized(backbone, plan.backbone_precision, training_photos(split), plan, screen.info)
    runtime = choose(backbone, plan.device)
    screen.info(f"{backbone.name}: {backbone.width} features a photo, from {backbone.source}; {runtime.why}")
    return backbone, runtime


def fine_tuning_stage(plan: Plan, split: Split, head: Head | None, screen: Screen) -> tuple[Backbone, Runtime, Head]:
    """Trains the network, from a trained layer on or from nothing; writes summaries on the way."""
    from retrain.finetune.stage import finetune

    summaries = Summaries(Path(plan.summaries_dir)) if plan.summaries_dir else None
    try:
        backbone, tuned = finetune(plan, split, head, screen, summaries.write_network if summaries else None)
    finally:
        if summaries:
            summaries.close()
    return backbone, choose(backbone, plan.device), tuned


def tuned_store(plan: Plan) -> Store:
    """An empty store for the features of a network that only this run has."""
    folder = Path(plan.fine_tuned_dir) / _TUNED_FEATURES
    shutil.rmtree(folder, ignore_errors=True)
    return Store(folder)


def undistorted(plan: Plan) -> Plan:
    """The same without distortions where a network is trained."""
    nothing: dict[str, Any] = dict.fromkeys(DISTORTIONS, 0)
    return dataclasses.replace(plan, **nothing) if plan.tunes else plan


def layer_plan(plan: Plan) -> Plan:
    """How the layer is trained from which the network goes on: quickly, and what is asked of steps is asked of the network's."""
    quiet: dict[str, Any] = {"snapshot_steps": 0, "resume": "", "summaries_dir": "", "intermediate_store_frequency": 0}
    return dataclasses.replace(undistorted(plan), **quiet)


def check(plan: Plan) -> Architecture:
    """The row of the backbone, and whatever can be known to fail before anything is read.

    Raises:
      UserError: an unknown name, no room for a file, SciPy or a snapshot that is not there.
    """
    row = architecture(plan.architecture, plan.tfhub_module)
    check_network(plan, row.name, row.family)
    if plan.tunes and not has_tensorflow():
        raise UserError(
            f"--train={plan.train} needs TensorFlow, which is not installed; pip install tensorflow, or use --train=head"
        )
    if plan.summaries_dir:
        check_folder(Path(plan.summaries_dir))
    check_outputs(plan)
    if plan.optimizer == "lbfgs":
        lbfgs.check_installed()
    if plan.resume:
        read_snapshot(Path(plan.resume))
    return row


def training_stage(plan: Plan, split: Split, bottlenecks: Bottlenecks, backbone: Backbone, screen: Screen) -> Head:
    """Trains the layer; writes summaries and intermediate graphs on the way."""
    counts = split.counts().sum(axis=0)
    screen.info(
        f"training on {counts[TRAINING]} photos of {len(split.labels)} classes; {counts[VALIDATION]} for validation, {counts[TESTING]} for the test"
    )
    summaries = Summaries(Path(plan.summaries_dir)) if plan.summaries_dir else None
    progress = Progress(plan.how_many_training_steps, "steps")

    def on_evaluation(point: Evaluation) -> None:
        if summaries:
            summaries.write(point)
        detail = f"train {point.train_accuracy:.1%}, validation {point.validation_accuracy:.1%}"
        if screen.terminal:
            progress.update(point.step + 1, detail)
        else:
            for line in evaluation_lines(point):
                screen.info(line)

    def on_snapshot(step: int, head: Head) -> None:
        path = Path(f"{plan.intermediate_output_graphs_dir}intermediate_{step}.pb")
        screen.info(f"Save intermediate result to : {path}")
        with replacing(path) as scratch:
            graph_exporter.write(scratch, head, backbone, card_of(plan, backbone, split, {}))

    def on_state(snapshot: Snapshot) -> None:
        path = snapshot_path(plan, snapshot.state["steps"])
        write_snapshot(path, snapshot)
        screen.info(f"wrote {path}; --resume={path} goes on from there")

    try:
        head = train(bottlenecks, split.labels, plan, on_evaluation, on_snapshot, on_state)
    finally:
        progress.close()
        if summaries:
            summaries.close()
    if head.curve and head.curve.stopped_early:
        screen.warn("training was stopped; what there is is tested and exported")
    for line in ending_lines(plan, head.curve, counts[VALIDATION] > 0):
        screen.info(line)
    return head


def ending_lines(plan: Plan, curve: Curve | None, validated: bool) -> list[str]:
    """How training ended, for people."""
    if curve and curve.weight_decay is not None:
        return [f"solved in {curve.kept_step} iterations, with a weight decay of {curve.weight_decay:g}"]
    if curve is None or curve.kept_step < 0 or not validated:
        return []
    lines = [f"kept step {curve.kept_step}, the one with the best validation loss"]
    if curve.steps[-1] < plan.how_many_training_steps - 1 and not curve.stopped_early:
        patience = plan.early_stopping_steps
        lines[:0] = [f"ended behind step {curve.steps[-1]}: the validation loss had not fallen for {patience} steps"]
    return lines


def variants_of(
    plan: Plan, split: Split, trained: Trained, twin: tuple[Backbone, Bottlenecks] | None
) -> dict[str, Trained]:
    """What exports are made of: the trained model, and a layer of its own for the int8 backbone."""
    if trained.backbone.precision != "float32":
        return {"none": trained, trained.backbone.precision: trained}
    if twin is None:
        return {"none": trained}
    backbone, bottlenecks = twin
    plan = dataclasses.replace(plan, resume="")  # a snapshot is of the other one
    head = train(bottlenecks, split.labels, plan, lambda _: None, lambda _step, _head: None)
    return {"none": trained, "int8": Trained(head, backbone, bottlenecks)}


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


def test_stage(plan: Plan, split: Split, bottlenecks: Bottlenecks, head: Head, screen: Screen) -> Outcome:
    """Tests the kept step once, on photos that training never saw."""
    rows = bottlenecks.rows(TESTING)
    if plan.test_batch_size > 0 and len(rows):
        rng = np.random.default_rng([plan.seed, 3])
        rows = rows[Sampler(bottlenecks.label_ids[rows], len(split.labels), plan.test_batch_size, rng).draw()]
    if not len(rows):
        screen.warn("no photo was kept for a test, so there is no test accuracy (--testing_percentage)")
        empty = np.zeros(0, np.int64)
        return Outcome(None, 0, (0.0, 1.0), empty, empty, np.zeros((0, len(split.labels)), np.float32))
    scores = softmax(head.logits(bottlenecks.features[0, rows]))
    guesses = scores.argmax(axis=1)
    right = int((guesses == bottlenecks.label_ids[rows]).sum())
    screen.result(f"Final test accuracy = {right / len(rows) * 100:.1f}% (N={len(rows)})")
    if len(split.labels) > _FEW_CLASSES:
        screen.result(f"recall@2 = {recall_at(2, scores, bottlenecks.label_ids[rows]) * 100:.1f}%")
    if plan.print_misclassified_test_images:
        _print_misclassified(split, rows, guesses, screen)
    of_views = accuracy_of_views(plan, bottlenecks, head, rows)
    if of_views is not None:
        gain = 100 * (of_views - right / len(rows))
        screen.result(
            f"by the mean of {plan.test_time_views} distorted views of each photo = {of_views * 100:.1f}% ({gain:+.1f} points)"
        )
    interval = wilson_interval(right, len(rows))
    return Outcome(right / len(rows), len(rows), interval, guesses, rows, scores, accuracy_of_views=of_views)


def accuracy_of_views(plan: Plan, bottlenecks: Bottlenecks, head: Head, rows: npt.NDArray[np.int64]) -> float | None:
    """Accuracy of the mean score over --test_time_views; None where there are none."""
    if not plan.test_time_views:
        return None
    views = bottlenecks.features[1 : plan.test_time_views + 1, rows]
    scores = np.mean([softmax(head.logits(view)) for view in views], axis=0)
    return float((scores.argmax(axis=1) == bottlenecks.label_ids[rows]).mean())


def _print_misclassified(
    split: Split, rows: npt.NDArray[np.int64], guesses: npt.NDArray[np.int64], screen: Screen
) -> None:
    screen.result("=== MISCLASSIFIED TEST IMAGES ===")
    for row, guess in zip(rows, guesses, strict=True):
        photo: Photo = split.photos[row]
        if photo.label != split.labels[guess]:
            screen.result(f"{photo.path:>70}  {split.labels[guess]}")


def report_stage(folder: Path, record: dict[str, Any], head: Head, screen: Screen) -> list[Path]:
    """Shows the run as a page; [] where the libraries that draw it are not installed, which is said."""
    missing = report.missing_libraries()
    if missing:
        screen.info(f"no report was made: {report.install_line(missing)}")
        return []
    return [report.write_report(folder, record, head)]


def closing_lines(split: Split, outcome: Outcome, made: Sequence[Path], screen: Screen) -> None:
    """The last lines: what it is worth, where it is, what to type next."""
    screen.result("")
    if outcome.accuracy is not None:
        low, high = outcome.interval
        screen.result(
            f"accuracy {outcome.accuracy:.1%} on {outcome.tested} test photos; on new photos like these, 95 times in 100, between {low:.1%} and {high:.1%}"
        )
    for line in (*(outcome.audit.advice if outcome.audit else ()), *table_lines(outcome.exports)):
        screen.result(line)
    for path in made:
        screen.result(f"wrote {path}")
    screen.result("")
    screen.result("label a photo:")
    graph = next((one.path for one in outcome.exports if one.kind in ("tflite", "graph", "saved_model", "onnx")), None)
    test_row = outcome.rows[0] if len(outcome.rows) else 0
    flag = "" if graph in (Path("tf_files/retrained.tflite"), None) else f" --graph={_quoted(str(graph))}"
    screen.result(f"  python -m label_image{flag} --image={_quoted(split.photos[test_row].path)}")


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
