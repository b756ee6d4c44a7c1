"""Writes and reads run.json, the record of a run: what was asked, with what, how it went, every test photo.

Strict JSON, but for the bytes of file names that are no UTF-8; figures that do not exist are null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from label_image.errors import RunError, UserError, meaning
from label_image.find_run import RECORD, RUNS_DIR
from retrain.files.atomic import replacing
from retrain.runs.record_schema import fault

FORMAT = 2  # 2: every score, metrics, digests, neighbours, the machine


def write_record(folder: Path, record: Mapping[str, Any]) -> Path:
    """Writes `run.json`; returns its path."""
    path = folder / RECORD
    with replacing(path) as scratch:
        scratch.write_text(to_json(record), "utf-8", "surrogateescape")
    return path


def read_record(run: Path) -> tuple[Path, dict[str, Any]]:
    """Reads the record of a run, given by its folder or by the file itself; returns the folder and the record.

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
    if record["format"] > FORMAT:
        raise RunError(f"cannot read {path}: it has format {record['format']}, this program knows {FORMAT}; upgrade it")
    found = fault(record)
    if found:
        raise RunError(f"cannot read {path}: {found}; it was damaged or changed by hand: run the training again")
    return path.parent, record


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


def _strict(value: Any) -> str:
    return json.dumps(finite(value), ensure_ascii=False, allow_nan=False)


def finite(value: Any) -> Any:
    """The same value with null for what is no number: JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, (list, tuple)) else value
