"""A record in, command lines out: to repeat the run, to draw its page again, to label."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from label_image.flags import flag_fields
from retrain.options.options import PROGRAM, Options

_RUNS_WITH_LABELS = ("tflite", "graph", "saved_model", "onnx")


def title(record: Mapping[str, Any]) -> str:
    """What was trained on: the name of the folder of photos."""
    folder = str(record.get("plan", {}).get("image_dir", "")).rstrip("/\\")
    return os.path.basename(folder) or "a run"  # noqa: PTH119 - text of a record, perhaps of another system


def repeat(record: Mapping[str, Any]) -> str:
    """The command that does the run again: every flag that is not at its default.

    >>> repeat({"plan": {"image_dir": "my flowers", "seed": 3, "strict": True, "learning_rate": 0.01}})
    "python -m retrain --image_dir='my flowers' --strict --seed=3"
    """
    options = record.get("plan", {})
    words = [PROGRAM]
    for field in flag_fields(Options):
        value = options.get(field.name, field.default)
        if value == field.default:
            continue
        if isinstance(value, bool):
            words.append(f"--{field.name}" if value else f"--no{field.name}")
        else:
            words.append(f"--{field.name}={shlex.quote(str(value))}")
    return " ".join(words)


def again(folder: Path) -> str:
    """The command that draws the page again."""
    return f"python -m retrain.report {shlex.quote(str(folder))}"


def label(record: Mapping[str, Any]) -> str:
    """The command that labels a photo with what was exported; "" where nothing was."""
    for export in record.get("exports", []):
        if export["kind"] in _RUNS_WITH_LABELS:
            return f"python -m label_image --graph={shlex.quote(str(export['path']))} --image=PHOTO.jpg"
    return ""
