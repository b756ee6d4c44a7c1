"""The pipeline in words: Options in; exports, summaries and a run record out, and what the user reads meanwhile.

Each stage says its line; the numbers are made by functions that know no path, clock or flag.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import UserError
from label_image.find_run import RUNS_DIR
from label_image.quiet import has_tensorflow
from retrain import report
from retrain.audit.audit import Auditor
from retrain.audit.kept import FOLDER as AUDITS
from retrain.backbones.table import Architecture
from retrain.clock import Clock
from retrain.console import Screen
from retrain.data.augment import View
from retrain.exporters.write_all import members, table_lines, write_exports
from retrain.features import library_versions
from retrain.features.extraction import key_for
from retrain.features.recheck import StaleFeaturesError, ask_some
from retrain.head import lbfgs
from retrain.head.snapshots import read_snapshot
from retrain.head.train import Sampler, train
from retrain.metrics import recall_at, softmax, wilson_interval
from retrain.options.for_network import check_network
from retrain.options.options import Options
from retrain.pipeline.outputs import check_outputs, clear_leftovers
from retrain.pipeline.prepared import prepared
from retrain.pipeline.training_stage import training_stage
from retrain.report.tensorboard import write_test
from retrain.runs.folder import begin, end
from retrain.runs.publish import finish_killed, publish, stands
from retrain.runs.record import record_of, rounded, with_audit
from retrain.runs.record_file import write_record
from retrain.runs.usual_names import HOME
from retrain.store.feature_store import Store
from retrain.types import TESTING, Backbone, Bottlenecks, Export, Head, Outcome, Photo, Split, Trained

_FEW_CLASSES = 3  # with so many, one of the best two is right too often to say anything


def retrain(options: Options, screen: Screen) -> Outcome:
    """Does the whole job; once more where kept features that it rested on turn out to be wrong.

    Raises:
      UserError: the photos or flags can not be meant.
      RunError: the work failed.
      KeyboardInterrupt: Ctrl-C before training; what was computed is kept.
    """
    try:
        return _once(options, screen)
    except StaleFeaturesError as error:
        forget_features(Path(options.run.bottleneck_dir), error.photos)
        screen.warn(
            f"{error.what}, no export is at fault: all {len(error.photos)} photos are computed anew, and the training begins again"
        )
    return _once(options, screen)


def _once(options: Options, screen: Screen) -> Outcome:
    """The whole job, on the features that are kept."""
    check(options)
    runs_dir = Path(options.run.runs_dir)
    for line in finish_killed(runs_dir):
        screen.warn(line)
    clear_leftovers(options)
    run = begin(runs_dir, options.network.tfhub_module or options.network.architecture)
    try:
        return _retrain(options, run, screen)
    finally:
        end(run)


def _retrain(options: Options, run: Path, screen: Screen) -> Outcome:
    """The job, in the folder of its run."""
    clock = Clock()
    asked, options = options, with_summaries_of(options, run)
    ready = prepared(options, clock, screen)
    scan, split, (backbone, runtime), bottlenecks = ready.scan, ready.split, ready.network, ready.bottlenecks
    if runtime.name == "litert" and not options.finetune.tunes and ready.pace.computed < len(split.photos):
        with clock.stage("features"):
            ask_some(split, bottlenecks, backbone, runtime)
    key = key_for(backbone, runtime, View())
    with clock.stage("audit"):
        auditor = (
            Auditor(
                split,
                bottlenecks.features[0],
                key,
                Path(options.run.bottleneck_dir),
                weigh_alike=options.weighs_classes_alike,
            )
            if options.run.report != "none"
            else None
        )
    with closing(auditor) if auditor else nullcontext():  # it works while training does
        with clock.stage("training"):
            head = ready.head or training_stage(options, split, bottlenecks, backbone, screen)
            trained = Trained(head, backbone, bottlenecks)
        with clock.stage("test"):
            outcome = test_stage(options, split, bottlenecks, head, screen)
        with clock.stage("exports"):
            exports = write_exports(
                options, split, variants_of(options, split, trained, ready.twin), outcome, run, screen
            )
            named = takes_names(head, exports)
            if not named:
                exports = [dataclasses.replace(one, path=one.kept or one.path, asked=one.path) for one in exports]
            outcome = dataclasses.replace(outcome, exports=tuple(exports))
            record = record_of(
                asked, scan, split, (backbone, runtime), bottlenecks, head, outcome, clock.seconds, ready.pace
            )
            made = [write_record(run, record)]
            if named:
                publish_stage(asked, run, exports, screen)
        with clock.stage("audit"):
            outcome = dataclasses.replace(outcome, audit=auditor.audit(outcome) if auditor else None)
    record = {**with_audit(record, outcome.audit), "seconds": rounded(clock.seconds)}
    if options.run.report == "html":
        with clock.stage("report"):
            if options.run.summaries_dir:
                kept_step = head.curve.kept_step if head.curve else 0
                write_test(Path(options.run.summaries_dir), bottlenecks.features[0], split, outcome, kept_step)
            made += report_stage(run, record, head, screen)
    write_record(run, {**record, "seconds": rounded(clock.seconds)})
    closing_lines(split, outcome, made, screen)
    if not named:
        for line in stopped_lines(run, asked):
            screen.result(line)
    return outcome


def forget_features(folder: Path, photos: Sequence[Photo]) -> None:
    """Drops what is kept of photos in a --bottleneck_dir, and the audits that rested on it."""
    with closing(Store(folder)) as store:
        store.forget(
            (photo.sha256 for photo in photos), library_versions.FIELD
        )  # what was imported, nobody can compute again
    shutil.rmtree(folder / AUDITS, ignore_errors=True)


def with_summaries_of(options: Options, run: Path) -> Options:
    """The plan with a folder for this run's own curves below --summaries_dir, as TensorBoard shows runs side by side."""
    return (
        options.replaced(summaries_dir=str(Path(options.run.summaries_dir) / run.name))
        if options.run.summaries_dir
        else options
    )


def takes_names(head: Head, exports: Sequence[Export]) -> bool:
    """Whether what was made takes the names that the user knows: a stopped training never in the place of a whole one."""
    stopped = head.curve is not None and head.curve.stopped_early
    return not (stopped and stands(members(exports)))


def publish_stage(options: Options, run: Path, exports: Sequence[Export], screen: Screen) -> None:
    """Gives the exports their names, and says what stood there before."""
    earlier = publish(run, members(exports), Path(options.run.runs_dir))
    if earlier.gone:
        screen.info(
            f"{', '.join(str(HOME / name) for name in earlier.gone)} of an earlier run {'is' if len(earlier.gone) == 1 else 'are'} not there any more: this run writes none there"
        )
    if earlier.run:
        kept = f"is kept in {earlier.run}" if Path(earlier.run).is_dir() else "is not kept, as its run was removed"
        screen.info(f"this replaces the classifier of {earlier.about or 'an earlier version'}, which {kept}")


def stopped_lines(run: Path, options: Options) -> list[str]:
    """What became of a training that was stopped where an earlier classifier stood."""
    runs_dir = "" if Path(options.run.runs_dir) == RUNS_DIR else f" --runs_dir={_quoted(options.run.runs_dir)}"
    return [
        f"training was stopped, so the classifier that was there before keeps its names; this one is kept in {run}",
        f"  python -m retrain.runs use {_quoted(run.name)}{runs_dir}    gives it the names",
    ]


def check(options: Options) -> Architecture:
    """The row of the backbone, and whatever can be known to fail before anything is read.

    Raises:
      UserError: an unknown name, no room for a file, SciPy or a snapshot that is not there.
    """
    row = check_network(options)
    if options.finetune.tunes and not has_tensorflow():
        raise UserError(
            f"--train={options.finetune.train} needs TensorFlow, which is not installed; pip install tensorflow, or use --train=head"
        )
    check_outputs(options)
    if options.head.optimizer == "lbfgs":
        lbfgs.check_installed()
    if options.head.resume:
        read_snapshot(Path(options.head.resume))
    return row


def variants_of(
    options: Options, split: Split, trained: Trained, twin: tuple[Backbone, Bottlenecks] | None
) -> dict[str, Trained]:
    """What exports are made of: the trained model, and a layer of its own for the int8 backbone."""
    if trained.backbone.precision != "float32":
        return {"none": trained, trained.backbone.precision: trained}
    if twin is None:
        return {"none": trained}
    backbone, bottlenecks = twin
    options = options.replaced(resume="")  # a snapshot is of the other one
    head = train(bottlenecks, split.labels, options, lambda _: None, lambda _step, _head: None)
    return {"none": trained, "int8": Trained(head, backbone, bottlenecks)}


def test_stage(options: Options, split: Split, bottlenecks: Bottlenecks, head: Head, screen: Screen) -> Outcome:
    """Tests the kept step once, on photos that training never saw."""
    rows = bottlenecks.rows(TESTING)
    if options.head.test_batch_size > 0 and len(rows):
        rng = np.random.default_rng([options.head.seed, 3])
        rows = rows[Sampler(bottlenecks.label_ids[rows], len(split.labels), options.head.test_batch_size, rng).draw()]
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
    if options.run.print_misclassified_test_images:
        _print_misclassified(split, rows, guesses, screen)
    of_views = accuracy_of_views(options, bottlenecks, head, rows)
    if of_views is not None:
        gain = 100 * (of_views - right / len(rows))
        screen.result(
            f"by the mean of {options.distortions.test_time_views} distorted views of each photo = {of_views * 100:.1f}% ({gain:+.1f} points)"
        )
    interval = wilson_interval(right, len(rows))
    return Outcome(right / len(rows), len(rows), interval, guesses, rows, scores, accuracy_of_views=of_views)


def accuracy_of_views(
    options: Options, bottlenecks: Bottlenecks, head: Head, rows: npt.NDArray[np.int64]
) -> float | None:
    """Accuracy of the mean score over --test_time_views; None where there are none."""
    if not options.distortions.test_time_views:
        return None
    views = bottlenecks.features[1 : options.distortions.test_time_views + 1, rows]
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
