"""Reads and writes run.json: one reader, and one typed record, for the report, the comparison and the list of runs.

Strict JSON, but for the bytes of file names that are not UTF-8; figures that do not exist are null.
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

FORMAT = 2  # 2: every score, metrics, digests, neighbours, the machine


@dataclass(frozen=True)
class RunRecord:
    """What one run.json holds, once it is known to be whole."""

    folder: Path
    fields: Mapping[str, Any]  # the whole document, as `record_schema.RECORD` describes it

    @property
    def options(self) -> dict[str, Any]:
        """The value of each flag by its name; an older run lacks the newer flags."""
        return dict(self.fields.get("plan") or {})

    @property
    def accuracy(self) -> float | None:
        """Test accuracy, 0 to 1; None where nothing was tested."""
        found = self.fields.get("accuracy")
        return None if found is None else float(found)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% confidence interval of the accuracy; 0 to 1 where nothing was tested."""
        low, high = self.fields.get("interval_95") or (0.0, 1.0)
        return float(low), float(high)

    @property
    def tested(self) -> int:
        """Photos of the test."""
        return int(self.fields.get("tested") or 0)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the scores."""
        return tuple(self.fields.get("labels") or ())

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage, in the order they were done."""
        return {str(stage): float(value) for stage, value in (self.fields.get("seconds") or {}).items()}

    @property
    def kept_step(self) -> int | None:
        """The step whose weights are the result."""
        found = self.fields.get("kept_step")
        return None if found is None else int(found)

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps that were evaluated."""
        return tuple((self.fields.get("curve") or {}).get("steps") or ())

    @property
    def validation_accuracy(self) -> tuple[float, ...]:
        """Validation accuracy at each of `steps`, 0 to 1; NaN where nothing was validated."""
        shares = (self.fields.get("curve") or {}).get("validation_accuracy") or ()
        return tuple(math.nan if share is None else float(share) for share in shares)

    @property
    def test_photos(self) -> list[dict[str, Any]]:
        """The test photos, each with its label, the predicted one and the score of that."""
        return list(self.fields.get("test_photos") or ())

    @property
    def runtime(self) -> dict[str, Any]:
        """What ran the network, where and why."""
        return dict(self.fields.get("runtime") or {})

    @property
    def extraction(self) -> dict[str, Any]:
        """How fast features were computed; older records do not have it."""
        return dict(self.fields.get("extraction") or {})

    @property
    def failed(self) -> str:
        """What made the run fail; "" where it did not."""
        return str((self.fields.get("failed") or {}).get("what", ""))


def read_record(run: Path) -> RunRecord:
    """Reads the record of a run, given by its folder or by the file itself.

    Raises:
      UserError: there is no record.
      RunError: it is no record, one of a later format, or not whole: damaged, or changed by hand.
    """
    path = run / RECORD if run.is_dir() else run
    try:
        record = json.loads(path.read_text("utf-8", "surrogateescape"))
    except OSError as error:
        raise UserError(
            f"no run at {run}: {error.strerror or error}; give a folder of {RUNS_DIR}, which holds a {RECORD}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise RunError(f"cannot read {path}: it is no JSON ({meaning(error)}); run the training again") from None
    if not isinstance(record, dict) or not isinstance(record.get("format"), int):
        raise RunError(f"cannot read {path}: it is JSON, but no record of a run; give the {RECORD} of a run")
    if not 1 <= record["format"] <= FORMAT:
        raise RunError(
            f"cannot read {path}: it has format {record['format']}, and this program reads 1 to {FORMAT}; use the version that wrote it, or a newer one"
        )
    found = fault(record)
    if found:
        raise RunError(f"cannot read {path}: {found}; it was damaged or changed by hand: run the training again")
    return RunRecord(path.parent, record)


def write_record(folder: Path, fields: Mapping[str, Any]) -> Path:
    """Writes the record of a run into its folder; returns its path."""
    path = folder / RECORD
    with replacing(path) as scratch:
        scratch.write_text(to_json(fields), "utf-8", "surrogateescape")
    return path


def to_json(record: Mapping[str, Any]) -> str:
    """A record as text: a line a key, and in a list of objects a line an object."""
    lines = []
    for key, value in record.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            text = "[\n" + ",\n".join(f"  {_strict(item)}" for item in value) + "\n ]"
        else:
            text = _strict(value)
        lines.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def finite(value: Any) -> Any:
    """The same with null for what is no number: JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def _strict(value: Any) -> str:
    return json.dumps(finite(value), ensure_ascii=False, allow_nan=False)
