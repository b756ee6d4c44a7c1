"""Implements the stage that writes and verifies the exports and the record, and puts the exports at their requested paths.

If an export fails, the record is still written, and it states what failed.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_image.errors import RunError, UserError
from label_image.find_run import RUNS_DIR
from retrain.clock import Clock
from retrain.console import Screen
from retrain.features.photo_features import PhotoFeatures
from retrain.features.recheck import StaleFeaturesError
from retrain.head.train import train
from retrain.options.options import Options
from retrain.pipeline.features import Int8Variant
from retrain.pipeline.settings import first_layer_training
from retrain.pipeline.write_exports import members, write_exports
from retrain.runs.make_record import failed, record_of
from retrain.runs.publish import publish, stands
from retrain.runs.record import write_record
from retrain.runs.usual_names import HOME
from retrain.types import Export, Head, Outcome, Trained


@dataclass(frozen=True)
class Exported:
    """The exports and the record that were written."""

    outcome: Outcome  # includes the exports
    record: dict[str, Any]  # its content, without the audit
    path: Path  # path of the record
    named: bool  # whether the exports are at the paths that the user requested


@dataclass(frozen=True)
class TestedModel:
    """A head that was trained and tested, with the features that it was trained on."""

    features: PhotoFeatures
    int8: Int8Variant | None
    head: Head
    outcome: Outcome


def exports_stage(options: Options, run: Path, model: TestedModel, clock: Clock, screen: Screen) -> Exported:
    """Writes the exports and the record into the folder of the run, then puts the exports at their requested paths.

    Raises:
      RunError: an export labels incorrectly or cannot be written; the record says so.
      UserError: a package that an export needs is not installed; the record says so.
    """
    head, outcome = model.head, model.outcome
    try:
        made = write_exports(options, model.features.split, _variants(options, model), outcome, run, screen)
    except StaleFeaturesError:  # the exports are correct, but the features were not: the run starts again
        raise
    except (RunError, UserError) as error:
        record = record_of(options.flat(), model.features, head, outcome, clock.seconds)
        write_record(run, failed(record, "exports", str(error)))
        raise
    named = not (head.curve is not None and head.curve.stopped_early and stands(members(made)))
    if not named:  # a training that was stopped never replaces a complete one
        made = [dataclasses.replace(one, path=one.kept or one.path, asked=one.path) for one in made]
    outcome = dataclasses.replace(outcome, exports=tuple(made))
    record = record_of(options.flat(), model.features, head, outcome, clock.seconds)
    path = write_record(run, record)
    if named:
        _publish(Path(options.run.runs_dir), run, made, screen)
    return Exported(outcome, record, path, named)


def _variants(options: Options, model: TestedModel) -> dict[str, Trained]:
    """Returns the models to export: the trained model, and a layer trained separately for the int8 variant of the backbone."""
    features = model.features
    trained = Trained(model.head, features.backbone, features.bottlenecks)
    if features.backbone.precision != "float32":
        return {"none": trained, features.backbone.precision: trained}
    if model.int8 is None:
        return {"none": trained}
    how = first_layer_training(options)  # without snapshots, which belong to the other layer
    head = train(model.int8.bottlenecks, features.split.labels, how)
    return {"none": trained, "int8": Trained(head, model.int8.backbone, model.int8.bottlenecks)}


def _publish(runs_dir: Path, run: Path, exports: Sequence[Export], screen: Screen) -> None:
    """Puts the exports at their requested paths, and says which earlier run they replace."""
    earlier = publish(run, members(exports), runs_dir)
    if earlier.gone:
        screen.info(
            f"{', '.join(str(HOME / name) for name in earlier.gone)} of an earlier run {'is' if len(earlier.gone) == 1 else 'are'} not there any more: this run writes none there"
        )
    if earlier.run:
        kept = f"is kept in {earlier.run}" if Path(earlier.run).is_dir() else "is not kept, as its run was removed"
        screen.info(f"this replaces the classifier of {earlier.about or 'an earlier version'}, which {kept}")


def stopped_lines(run: Path, runs_dir: str) -> list[str]:
    """Tells the user where the results of a stopped training are, if an earlier classifier was kept at the requested paths."""
    where = "" if Path(runs_dir) == RUNS_DIR else f" --runs_dir={shlex.quote(runs_dir)}"
    return [
        f"training was stopped, so the classifier that was there before keeps its names; this one is kept in {run}",
        f"  python -m retrain.runs use {shlex.quote(run.name)}{where}    gives it the names",
    ]
