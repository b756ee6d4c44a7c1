"""Makes the record of a run: its options, versions, machine, photos, results and every test photo."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.version import processor
from label_image.workers import cores
from retrain.audit.neighbours import nearest
from retrain.features import library_versions
from retrain.features.photo_features import PhotoFeatures
from retrain.features.runtimes import Runtime, peak_memory
from retrain.files.hashing import file_digest
from retrain.metrics import calibration_error, confusion, precision_recall, recall_at, reliability, wilson_interval
from retrain.runs.record import FORMAT, finite
from retrain.types import LISTS, Audit, Backbone, Bottlenecks, Export, Head, Outcome, Split

NEIGHBOURS = 3  # similar training photos recorded for a mistake
MOST_MISTAKES = 60  # most mistakes with similar photos; those with the highest scores are taken
_PACKAGES = ("numpy", "pillow", "ai-edge-litert", "tensorflow", "tensorboard")
_TIME = "%Y-%m-%d %H:%M:%S %z"


def record_of(
    plan: Mapping[str, Any], features: PhotoFeatures, head: Head, outcome: Outcome, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Returns the whole record as types of JSON; a field that belongs to a flag has the name of the flag.

    Args:
      plan: the value of each flag.
      features: the photos, their features, and how these were computed.
      head: the head that was trained on them.
      outcome: the test results and the exports.
      seconds: duration of each stage.
    """
    record = {
        "format": FORMAT,
        "finished": time.strftime(_TIME),
        "plan": dict(plan),
        **_made_with(features),
        **_photos(features),
        **_speed(features, seconds),
        **_results(features.split, outcome),
        "kept_step": head.curve.kept_step if head.curve else None,
        "curve": dataclasses.asdict(head.curve) if head.curve else None,
        "audit": None,  # filled by with_audit
        "test_photos": _test_photos(features.split, outcome, features.bottlenecks),
        "exports": [_export(made) for made in outcome.exports],
    }
    return {key: finite(value) for key, value in record.items()}


def failed(record: Mapping[str, Any], stage: str, what: str) -> dict[str, Any]:
    """Returns the record of a run that failed.

    Args:
      record: the record so far.
      stage: the stage that failed.
      what: the error message that the user saw.
    """
    return {**record, "failed": {"stage": stage, "what": what}}


def _made_with(features: PhotoFeatures) -> dict[str, Any]:
    """Returns the versions, the machine, the backbone and the runtime."""
    return {
        "versions": versions(),
        "made_with": library_versions.of_key(features.bottlenecks.key),
        "machine": machine(),
        "backbone": _backbone(features.backbone),
        "runtime": _runtime(features.runtime),
        "digests": {"photos": _photos_digest(features.split), "store_key": features.bottlenecks.key},
    }


def _backbone(backbone: Backbone) -> dict[str, Any]:
    return {
        "name": backbone.name,
        "digest": backbone.digest,
        "source": backbone.source,
        "licence": backbone.licence,
        "graph": str(backbone.tflite or backbone.graph),
        "height_px": backbone.height_px,
        "width_px": backbone.width_px,
        "mean": list(backbone.mean),
        "std": list(backbone.std),
    }


def _runtime(runtime: Runtime) -> dict[str, Any]:
    return {
        "name": runtime.name,
        "device": runtime.device,
        "why": runtime.why,
        "peak_memory_bytes": peak_memory(runtime),
    }


def _photos(features: PhotoFeatures) -> dict[str, Any]:
    """Returns the labels, the number of photos in each subset, and the files that were not used."""
    scan, split = features.scan, features.split
    return {
        "labels": list(split.labels),
        "counts": {
            label: dict(zip(LISTS, row, strict=True))
            for label, row in zip(split.labels, split.counts().tolist(), strict=True)
        },
        "skipped": [dataclasses.asdict(skipped) for skipped in scan.skipped],
        "notes": [*scan.notes, *split.notes],
    }


def _speed(features: PhotoFeatures, seconds: Mapping[str, float]) -> dict[str, Any]:
    scan, pace = features.scan, features.pace
    work = {
        "scan": (len(scan.photos) + len(scan.skipped), seconds["scan"]),
        "features": (pace.computed, pace.seconds),
    }
    return {
        "extraction": dataclasses.asdict(pace),
        "seconds": rounded(seconds),
        "images_s": {name: round(images / spent, 1) for name, (images, spent) in work.items() if images and spent},
    }


def _results(split: Split, outcome: Outcome) -> dict[str, Any]:
    """Returns the results of the test."""
    label_ids = split.label_ids[outcome.rows]
    return {
        "accuracy": outcome.accuracy,
        "accuracy_of_views": outcome.accuracy_of_views,
        "tested": outcome.tested,
        "recall_at_2": recall_at(2, outcome.scores, label_ids),
        "interval_95": list(outcome.interval),
        "metrics": metrics_of(label_ids, outcome.predictions, outcome.scores.max(axis=1, initial=0), split.labels),
    }


def _export(made: Export) -> dict[str, Any]:
    kept = made.kept or made.path
    return {
        **dataclasses.asdict(made),
        "path": str(made.path),
        "kept": str(kept),
        "asked": str(made.asked or made.path),
        "sha256": _digest_of(kept),
    }


def with_audit(record: Mapping[str, Any], audit: Audit | None) -> dict[str, Any]:
    """Returns the record of a run that has ended, with its audit."""
    found = finite(dataclasses.asdict(audit)) if audit else None
    return {**record, "finished": time.strftime(_TIME), "audit": found}


def rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    """Rounds the duration of each stage to milliseconds."""
    return {name: round(value, 3) for name, value in seconds.items()}


def metrics_of(
    label_ids: npt.NDArray[np.int64],
    guesses: npt.NDArray[np.int64],
    confidences: npt.NDArray[np.float32],
    labels: tuple[str, ...],
) -> dict[str, Any]:
    """Computes the metrics of a test, as types of JSON.

    Args:
      label_ids: int64 [n], the true class of each test photo.
      guesses: int64 [n], the predicted class.
      confidences: float32 [n], the score of the predicted class.
      labels: the names of the classes.
    """
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
                "given": int(given[place]),  # photos predicted as this class, the denominator of the precision
                "precision_interval": list(wilson_interval(int(own[place]), int(given[place]))),
                "recall_interval": list(wilson_interval(int(own[place]), support)),
            }
            for place, (label, precision, recall, support) in enumerate(
                zip(labels, *(part.tolist() for part in precision_recall(table)), strict=True)
            )
        ],
        "confusion": table.tolist(),  # row: the true class, column: the predicted class
        "calibration_error": calibration_error(bins),
        "reliability": [dataclasses.asdict(one) for one in bins],
    }


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that affect the results."""
    found = {"python": platform.python_version()}
    for package in ("tensorflow-for-poets", *_PACKAGES):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {**found, **{name: version for name, version in library_versions.decoders().items() if name != "Pillow"}}


def machine() -> dict[str, Any]:
    """Describes the machine, without the name of the machine or of its user."""
    return {"system": platform.system(), "machine": platform.machine(), "processor": processor(), "cores": cores()}


def _digest_of(path: Path) -> str | None:
    return file_digest(path) if path.is_file() else None


def _photos_digest(split: Split) -> str:
    """Returns one SHA-256 of the photos with their classes and subsets; it does not depend on where the folder is."""
    digest = hashlib.sha256()
    for photo, which in zip(split.photos, split.lists, strict=True):
        digest.update(f"{photo.sha256} {LISTS[which]} {photo.label}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _test_photos(split: Split, outcome: Outcome, bottlenecks: Bottlenecks) -> list[dict[str, Any]]:
    """Returns every test photo with its scores; the mistakes with the highest scores also have their most similar training photos."""
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
    worst = wrong[np.argsort(-best[wrong], kind="stable")][:MOST_MISTAKES]
    for at, rows, similarities in zip(worst, *nearest(bottlenecks, outcome.rows[worst], NEIGHBOURS), strict=True):
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
