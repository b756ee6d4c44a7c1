"""What a run did in, `runs/<time>-<architecture>/run.json` out: the plan, the versions, the counts, the scores of each test photo."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import platform
import re
import time
from pathlib import Path
from typing import Any

from retrain.atomic import replacing
from retrain.nouns import LISTS, Backbone, Head, Outcome, Pace, Photo, Scan, Split
from retrain.plan import Plan
from retrain.runtimes import Runtime, peak_memory

FORMAT = 1
RUNS_DIR = Path("tf_files/runs")
_PACKAGES = ("numpy", "pillow", "ai-edge-litert", "tensorflow", "tensorboard")


def new_folder(plan: Plan) -> Path:
    """The folder of a run that begins now: `<time>-<architecture>`; one that is not there yet."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", plan.tfhub_module or plan.architecture)[-60:]
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    folder, number = RUNS_DIR / stem, 2
    while folder.exists():
        folder, number = RUNS_DIR / f"{stem}-{number}", number + 1
    return folder


def write_record(folder: Path, record: dict[str, Any]) -> Path:
    """Writes `run.json`; returns its path."""
    path = folder / "run.json"
    with replacing(path) as scratch:
        scratch.write_text(json.dumps(record, indent=1, ensure_ascii=False), "utf-8", "surrogateescape")
    return path


def record_of(
    plan: Plan,
    scan: Scan,
    split: Split,
    backbone: Backbone,
    runtime: Runtime,
    head: Head,
    outcome: Outcome,
    seconds: dict[str, float],
    pace: Pace,
) -> dict[str, Any]:
    """Everything a run has to say, as JSON's types; field names are the flags' where there is one."""
    curve = head.curve
    return {
        "format": FORMAT,
        "plan": dataclasses.asdict(plan),
        "versions": versions(),
        "backbone": {
            "name": backbone.name,
            "digest": backbone.digest,
            "source": backbone.source,
            "licence": backbone.licence,
        },
        "runtime": {
            "name": runtime.name,
            "device": runtime.device,
            "why": runtime.why,
            "peak_memory_bytes": peak_memory(runtime),
        },
        "labels": list(split.labels),
        "counts": {
            label: dict(zip(LISTS, row, strict=True))
            for label, row in zip(split.labels, split.counts().tolist(), strict=True)
        },
        "skipped": [dataclasses.asdict(skipped) for skipped in scan.skipped],
        "notes": [*scan.notes, *split.notes],
        "extraction": dataclasses.asdict(pace),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "accuracy": outcome.accuracy,
        "accuracy_of_views": outcome.accuracy_of_views,
        "tested": outcome.tested,
        "interval_95": list(outcome.interval),
        "kept_step": curve.kept_step if curve else None,
        "curve": dataclasses.asdict(curve) if curve else None,
        "test_photos": _test_photos(split, outcome),
        "exports": [{**dataclasses.asdict(export), "path": str(export.path)} for export in outcome.exports],
    }


def versions() -> dict[str, str]:
    """The versions of what made the numbers."""
    found = {"python": platform.python_version()}
    for package in ("tensorflow-for-poets", *_PACKAGES):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _test_photos(split: Split, outcome: Outcome) -> list[dict[str, Any]]:
    photos: list[Photo] = [split.photos[row] for row in outcome.rows]
    return [
        {"path": photo.path, "label": photo.label, "predicted": split.labels[guess], "score": round(float(score), 6)}
        for photo, guess, score in zip(photos, outcome.predictions, outcome.scores, strict=True)
    ]
