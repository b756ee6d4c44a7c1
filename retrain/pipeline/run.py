"""Implements the whole run: from options to exports, summaries, a record and a report."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from retrain import report
from retrain.audit.audit import Auditor
from retrain.audit.cache import FOLDER as AUDITS
from retrain.clock import Clock
from retrain.console import Screen
from retrain.data.augment import View
from retrain.features import library_versions
from retrain.features.extraction import key_for
from retrain.features.photo_features import PhotoFeatures
from retrain.features.recheck import StaleFeaturesError
from retrain.options.options import Options
from retrain.pipeline.check import check
from retrain.pipeline.closing import closing_lines
from retrain.pipeline.exports import Exported, TestedModel, exports_stage, stopped_lines
from retrain.pipeline.final_test import test_stage
from retrain.pipeline.modes import Featured, mode_of
from retrain.pipeline.outputs import clear_leftovers
from retrain.report.tensorboard import write_test
from retrain.runs.folder import begin, end
from retrain.runs.make_record import rounded, with_audit
from retrain.runs.publish import finish_killed
from retrain.runs.record import write_record
from retrain.store.feature_store import Store
from retrain.types import Head, Outcome, Photo


def retrain(options: Options, screen: Screen) -> Outcome:
    """Makes a run; repeats it if stored features that it used turn out to be wrong.

    Raises:
      UserError: the photos or flags are invalid.
      RunError: the work failed.
      KeyboardInterrupt: Ctrl-C before training; the features computed so far are kept.
    """
    try:
        return _once(options, screen)
    except StaleFeaturesError as error:
        forget_features(Path(options.run.bottleneck_dir), error.photos)
        screen.warn(
            f"{error.what}, the exports are correct: the features of all {len(error.photos)} photos are computed again, and training starts again"
        )
    return _once(options, screen)


def _once(options: Options, screen: Screen) -> Outcome:
    """Makes a run once, with the stored features."""
    check(options)
    runs_dir = Path(options.run.runs_dir)
    for line in finish_killed(runs_dir):
        screen.warn(line)
    clear_leftovers(options)
    run = begin(runs_dir, options.network.tfhub_module or options.network.architecture)
    try:
        return _in_folder(options, run, screen)
    finally:
        end(run)


def _in_folder(options: Options, run: Path, screen: Screen) -> Outcome:
    """Makes a run in its folder: features, training, test, exports, audit, report."""
    clock = Clock()
    trained_with = _with_summaries_of(options, run)
    found = mode_of(options)(trained_with, clock, screen)
    with _auditor(options, found.features, clock) as auditor:  # it runs at the same time as training
        model = _trained_and_tested(trained_with, found, clock, screen)
        with clock.stage("exports"):
            exported = exports_stage(options, run, model, clock, screen)
        with clock.stage("audit"):
            audit = auditor.audit(exported.outcome) if auditor else None
    outcome = dataclasses.replace(exported.outcome, audit=audit)
    record = {**with_audit(exported.record, audit), "seconds": rounded(clock.seconds)}
    made = [exported.path]
    if options.run.report == "html":
        with clock.stage("report"):
            _write_test_summaries(trained_with, found.features, model.head, outcome)
            made += _report(run, record, model.head, screen)
    write_record(run, {**record, "seconds": rounded(clock.seconds)})
    _last_lines(options, run, found.features, exported, outcome, made, screen)
    return outcome


def _trained_and_tested(options: Options, found: Featured, clock: Clock, screen: Screen) -> TestedModel:
    with clock.stage("training"):
        head = found.head()
    with clock.stage("test"):
        outcome = test_stage(options, found.features, head, screen)
    return TestedModel(found.features, found.int8, head, outcome)


@contextmanager
def _auditor(options: Options, features: PhotoFeatures, clock: Clock) -> Iterator[Auditor | None]:
    """Runs the audit of the photos in parallel with the block; None with --report=none."""
    if options.run.report == "none":
        yield None
        return
    with clock.stage("audit"):
        auditor = Auditor(
            features.split,
            features.bottlenecks.features[0],
            key_for(features.backbone, features.runtime, View()),
            Path(options.run.bottleneck_dir),
            weigh_alike=options.weighs_classes_alike,
        )
    with closing(auditor):
        yield auditor


def _with_summaries_of(options: Options, run: Path) -> Options:
    """Returns the options with a separate folder for this run below --summaries_dir, because TensorBoard compares such folders."""
    folder = options.run.summaries_dir
    return options.replaced(summaries_dir=str(Path(folder) / run.name)) if folder else options


def _write_test_summaries(options: Options, features: PhotoFeatures, head: Head, outcome: Outcome) -> None:
    if options.run.summaries_dir:
        kept_step = head.curve.kept_step if head.curve else 0
        write_test(
            Path(options.run.summaries_dir), features.bottlenecks.features[0], features.split, outcome, kept_step
        )


def _report(folder: Path, record: dict[str, Any], head: Head, screen: Screen) -> list[Path]:
    """Writes the report and returns its path; tells the user and returns [] if the libraries that draw it are not installed."""
    missing = report.missing_libraries()
    if missing:
        screen.info(f"no report was made: {report.install_line(missing)}")
        return []
    return [report.write_report(folder, record, head)]


def _last_lines(
    options: Options,
    run: Path,
    features: PhotoFeatures,
    exported: Exported,
    outcome: Outcome,
    made: Sequence[Path],
    screen: Screen,
) -> None:
    closing_lines(features.split, outcome, made, screen)
    if not exported.named:
        for line in stopped_lines(run, options.run.runs_dir):
            screen.result(line)


def forget_features(folder: Path, photos: Sequence[Photo]) -> None:
    """Deletes the stored features of photos from a --bottleneck_dir, and the audits that used them."""
    with closing(Store(folder)) as store:
        # Imported features are not deleted, because they cannot be computed again.
        store.forget((photo.sha256 for photo in photos), library_versions.FIELD)
    shutil.rmtree(folder / AUDITS, ignore_errors=True)
