"""Reads and writes run.json: one reader, and one typed record, for the report, the comparison and the list of runs.

The file is strict JSON, except for bytes of file names that are not UTF-8. Figures that do not exist are null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_image.errors import RunError, UserError, meaning
from label_image.find_run import RECORD, RUNS_DIR
from retrain.files.atomic import replacing
from retrain.runs.record_schema import fault

FORMAT = 2  # format 2 added all scores, metrics, digests, neighbours and the machine


@dataclass(frozen=True)
class RunRecord:
    """The content of a run.json that was validated."""

    folder: Path
    fields: Mapping[str, Any]  # the whole document, as `record_schema.RECORD` describes it

    @property
    def options(self) -> dict[str, Any]:
        """Returns the value of each flag by its name; a record of an older version lacks newer flags."""
        return dict(self.fields.get("plan") or {})

    @property
    def accuracy(self) -> float | None:
        """Returns the test accuracy, 0..1; None if no photo was tested."""
        found = self.fields.get("accuracy")
        return None if found is None else float(found)

    @property
    def interval(self) -> tuple[float, float]:
        """Returns the 95% confidence interval of the accuracy; 0 to 1 if no photo was tested."""
        low, high = self.fields.get("interval_95") or (0.0, 1.0)
        return float(low), float(high)

    @property
    def tested(self) -> int:
        """Returns the number of test photos."""
        return int(self.fields.get("tested") or 0)

    @property
    def labels(self) -> tuple[str, ...]:
        """Returns the classes, in the order of the scores."""
        return tuple(self.fields.get("labels") or ())

    @property
    def seconds(self) -> dict[str, float]:
        """Returns the duration of each stage in seconds, in the order of the stages."""
        return {str(stage): float(value) for stage, value in (self.fields.get("seconds") or {}).items()}

    @property
    def kept_step(self) -> int | None:
        """Returns the step whose weights were kept."""
        found = self.fields.get("kept_step")
        return None if found is None else int(found)

    @property
    def steps(self) -> tuple[int, ...]:
        """Returns the steps that were evaluated."""
        return tuple((self.fields.get("curve") or {}).get("steps") or ())

    @property
    def validation_accuracy(self) -> tuple[float, ...]:
        """Returns the validation accuracy at each of `steps`, 0..1; NaN if the validation set is empty."""
        found = (self.fields.get("curve") or {}).get("validation_accuracy") or ()
        return tuple(math.nan if accuracy is None else float(accuracy) for accuracy in found)

    @property
    def test_photos(self) -> list[dict[str, Any]]:
        """Returns the test photos, each with its label, the predicted label and the score of the predicted label."""
        return list(self.fields.get("test_photos") or ())

    @property
    def runtime(self) -> dict[str, Any]:
        """Returns which runtime ran the network, on which device, and why."""
        return dict(self.fields.get("runtime") or {})

    @property
    def extraction(self) -> dict[str, Any]:
        """Returns how fast features were computed; older records do not contain it."""
        return dict(self.fields.get("extraction") or {})

    @property
    def failed(self) -> str:
        """Returns the reason for which the run failed; "" if it did not."""
        return str((self.fields.get("failed") or {}).get("what", ""))


def read_record(run: Path) -> RunRecord:
    """Reads and validates the record of a run, given by its folder or by the file itself.

    Raises:
      UserError: there is no record.
      RunError: the file is not a record, has a later format, or is invalid because it was damaged or edited.
    """
    path = run / RECORD if run.is_dir() else run
    try:
        record = json.loads(path.read_text("utf-8", "surrogateescape"))
    except OSError as error:
        raise UserError(
            f"no run at {run}: {error.strerror or error}; give a folder of {RUNS_DIR} that contains a {RECORD}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise RunError(f"cannot read {path}: it is not JSON ({meaning(error)}); run the training again") from None
    if not isinstance(record, dict) or not isinstance(record.get("format"), int):
        raise RunError(f"cannot read {path}: it is not the record of a run; give the {RECORD} of a run")
    if not 1 <= record["format"] <= FORMAT:
        raise RunError(
            f"cannot read {path}: it has format {record['format']}, but this version reads formats 1 to {FORMAT}; use the version that wrote it, or a newer one"
        )
    found = fault(record)
    if found:
        raise RunError(f"cannot read {path}: {found}; the file was damaged or edited: run the training again")
    return RunRecord(path.parent, record)


def write_record(folder: Path, fields: Mapping[str, Any]) -> Path:
    """Writes the record of a run into its folder; returns its path."""
    path = folder / RECORD
    with replacing(path) as scratch:
        scratch.write_text(to_json(fields), "utf-8", "surrogateescape")
    return path


def to_json(record: Mapping[str, Any]) -> str:
    """Writes a record as JSON with one line for each key, and one line for each object in a list of objects."""
    lines = []
    for key, value in record.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            text = "[\n" + ",\n".join(f"  {_strict(item)}" for item in value) + "\n ]"
        else:
            text = _strict(value)
        lines.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def finite(value: Any) -> Any:
    """Replaces NaN and infinity by null, because JSON has neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def _strict(value: Any) -> str:
    return json.dumps(finite(value), ensure_ascii=False, allow_nan=False)
