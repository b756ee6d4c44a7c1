"""What a run did in, `runs/<time>-<architecture>/run.json` out: what was asked, with what, how it went, every test photo.

Strict JSON, but for the bytes of file names that are no UTF-8; figures that do not exist are null.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import platform
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.workers import cores
from retrain.audit.neighbours import nearest
from retrain.features import library_versions
from retrain.features.runtimes import Runtime, peak_memory
from retrain.files.hashing import file_digest
from retrain.metrics import calibration_error, confusion, precision_recall, recall_at, reliability, wilson_interval
from retrain.options.options import Options
from retrain.runs.record_file import FORMAT, finite
from retrain.types import LISTS, Audit, Backbone, Bottlenecks, Head, Outcome, Pace, Scan, Split

NEIGHBOURS = 3  # training photos shown for a mistake
MOST_MISTAKES = 60  # mistakes that are explained, the surest first
_PACKAGES = ("numpy", "pillow", "ai-edge-litert", "tensorflow", "tensorboard")
_TIME = "%Y-%m-%d %H:%M:%S %z"
_CPUINFO = Path("/proc/cpuinfo")  # Linux


def record_of(
    options: Options,
    scan: Scan,
    split: Split,
    network: tuple[Backbone, Runtime],
    bottlenecks: Bottlenecks,
    head: Head,
    outcome: Outcome,
    seconds: Mapping[str, float],
    pace: Pace,
) -> dict[str, Any]:
    """Everything a run has to say, as JSON's types; field names are the flags' where there is one."""
    backbone, runtime = network
    curve = head.curve
    work = {
        "scan": (len(scan.photos) + len(scan.skipped), seconds["scan"]),
        "features": (pace.computed, pace.seconds),
    }
    record = {
        "format": FORMAT,
        "finished": time.strftime(_TIME),
        "plan": options.flat(),
        "versions": versions(),
        "made_with": library_versions.of_key(bottlenecks.key),
        "machine": machine(),
        "backbone": {
            "name": backbone.name,
            "digest": backbone.digest,
            "source": backbone.source,
            "licence": backbone.licence,
            "graph": str(backbone.tflite or backbone.graph),
            "height_px": backbone.height_px,
            "width_px": backbone.width_px,
            "mean": list(backbone.mean),
            "std": list(backbone.std),
        },
        "runtime": {
            "name": runtime.name,
            "device": runtime.device,
            "why": runtime.why,
            "peak_memory_bytes": peak_memory(runtime),
        },
        "digests": {"photos": _photos_digest(split), "store_key": bottlenecks.key},
        "labels": list(split.labels),
        "counts": {
            label: dict(zip(LISTS, row, strict=True))
            for label, row in zip(split.labels, split.counts().tolist(), strict=True)
        },
        "skipped": [dataclasses.asdict(skipped) for skipped in scan.skipped],
        "notes": [*scan.notes, *split.notes],
        "extraction": dataclasses.asdict(pace),
        "seconds": rounded(seconds),
        "images_s": {name: round(images / spent, 1) for name, (images, spent) in work.items() if images and spent},
        "accuracy": outcome.accuracy,
        "accuracy_of_views": outcome.accuracy_of_views,
        "tested": outcome.tested,
        "recall_at_2": recall_at(2, outcome.scores, split.label_ids[outcome.rows]),
        "interval_95": list(outcome.interval),
        "metrics": metrics_of(
            split.label_ids[outcome.rows],
            outcome.predictions,
            outcome.scores.max(axis=1, initial=0),
            split.labels,
        ),
        "kept_step": curve.kept_step if curve else None,
        "curve": dataclasses.asdict(curve) if curve else None,
        "audit": None,  # with_audit
        "test_photos": _test_photos(split, outcome, bottlenecks),
        "exports": [
            {
                **dataclasses.asdict(export),
                "path": str(export.path),
                "kept": str(export.kept or export.path),
                "asked": str(export.asked or export.path),
                "sha256": _digest_of(export.kept or export.path),
            }
            for export in outcome.exports
        ],
    }
    return {key: finite(value) for key, value in record.items()}


def with_audit(record: Mapping[str, Any], audit: Audit | None) -> dict[str, Any]:
    """The record of a run that has ended, with what its audit found."""
    found = finite(dataclasses.asdict(audit)) if audit else None
    return {**record, "finished": time.strftime(_TIME), "audit": found}


def rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds of each stage, to the millisecond."""
    return {name: round(value, 3) for name, value in seconds.items()}


def metrics_of(
    label_ids: npt.NDArray[np.int64],
    guesses: npt.NDArray[np.int64],
    confidences: npt.NDArray[np.float32],
    labels: tuple[str, ...],
) -> dict[str, Any]:
    """The figures of a test as JSON's types; int64 [n], int64 [n], float32 [n]: true class, guess, the guess's score."""
    table = confusion(label_ids, guesses, len(labels))
    bins = reliability(confidences, guesses == label_ids)
    right = int(np.trace(table))
    own, given = np.diag(table), table.sum(axis=0)
    return {
        "right": right,
        "mistakes": len(label_ids) - right,
        "per_class": [
            {
                "label": label,
                "precision": precision,
                "recall": recall,
                "support": support,
                "given": int(given[place]),  # photos that it gave this label: what the precision rests on
                "precision_interval": list(wilson_interval(int(own[place]), int(given[place]))),
                "recall_interval": list(wilson_interval(int(own[place]), support)),
            }
            for place, (label, precision, recall, support) in enumerate(
                zip(labels, *(part.tolist() for part in precision_recall(table)), strict=True)
            )
        ],
        "confusion": table.tolist(),  # row: the true class, column: the guess
        "calibration_error": calibration_error(bins),
        "reliability": [dataclasses.asdict(one) for one in bins],
    }


def versions() -> dict[str, str]:
    """The versions of what made the numbers."""
    found = {"python": platform.python_version()}
    for package in ("tensorflow-for-poets", *_PACKAGES):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {**found, **{name: version for name, version in library_versions.decoders().items() if name != "Pillow"}}


def machine() -> dict[str, Any]:
    """What it ran on, without a name of the machine or of its user."""
    return {"system": platform.system(), "machine": platform.machine(), "processor": _processor(), "cores": cores()}


def _processor() -> str:
    try:
        named = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", _CPUINFO.read_text("utf-8", "replace"), re.MULTILINE)
    except OSError:
        named = None
    return named[1].strip() if named else platform.processor()


def _digest_of(path: Path) -> str | None:
    return file_digest(path) if path.is_file() else None


def _photos_digest(split: Split) -> str:
    """One sha256 for which photos there were, of which class, in which list; the same wherever the folder stands."""
    digest = hashlib.sha256()
    for photo, which in zip(split.photos, split.lists, strict=True):
        digest.update(f"{photo.sha256} {LISTS[which]} {photo.label}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _test_photos(split: Split, outcome: Outcome, bottlenecks: Bottlenecks) -> list[dict[str, Any]]:
    """Every test photo with its scores; the surest mistakes also with the training photos nearest to them."""
    label_ids = split.label_ids[outcome.rows]
    best = outcome.scores.max(axis=1, initial=0)
    photos = [
        {
            "path": split.photos[row].path,
            "sha256": split.photos[row].sha256,
            "label": split.photos[row].label,
            "predicted": split.labels[guess],
            "score": round(float(best[at]), 6),
            "scores": [round(score, 6) for score in outcome.scores[at].tolist()],
        }
        for at, (row, guess) in enumerate(zip(outcome.rows, outcome.predictions, strict=True))
    ]
    wrong = np.flatnonzero(outcome.predictions != label_ids)
    surest = wrong[np.argsort(-best[wrong], kind="stable")][:MOST_MISTAKES]
    for at, rows, similarities in zip(surest, *nearest(bottlenecks, outcome.rows[surest], NEIGHBOURS), strict=True):
        photos[at]["nearest"] = [
            {
                "path": split.photos[row].path,
                "sha256": split.photos[row].sha256,
                "label": split.photos[row].label,
                "similarity": round(float(similarity), 4),
            }
            for row, similarity in zip(rows, similarities, strict=True)
        ]
    return photos
