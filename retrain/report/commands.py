"""Writes the command lines that a report page shows: to repeat the run, to write its page again, and to label a photo."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from label_image.flags import flag_fields
from retrain.exporters.table import runs_in_label_image
from retrain.options.options import PROGRAM, Options


def title(record: Mapping[str, Any]) -> str:
    """Returns the title of a run: the name of the folder of its photos."""
    folder = str(record.get("plan", {}).get("image_dir", "")).rstrip("/\\")
    return os.path.basename(folder) or "a run"  # noqa: PTH119 - text from a record, perhaps from another system


def repeat(record: Mapping[str, Any]) -> str:
    """Returns the command that repeats the run: it has every flag that differs from its default.

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
    """Returns the command that writes the page again."""
    return f"python -m retrain.report {shlex.quote(str(folder))}"


def label(record: Mapping[str, Any]) -> str:
    """Returns the command that labels a photo with an exported classifier; "" if there is none."""
    for export in record.get("exports", []):
        if runs_in_label_image(export["kind"]):
            return f"python -m label_image --graph={shlex.quote(str(export['path']))} --image=PHOTO.jpg"
    return ""
