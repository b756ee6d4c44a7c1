"""Audits photos that are given as plain arrays: finds likely label errors, near-duplicates, leaks and the learning curve."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrain.audit.components import components
from retrain.audit.duplicates import ALL_PAIRS, Pair, find_duplicates
from retrain.audit.folds import FOLDS, out_of_fold
from retrain.audit.learning_curve import Point, learning_curve

SUSPECTS = 0.08  # largest fraction of the photos that is listed as likely label errors

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Task:
    """The photos to audit."""

    features: npt.NDArray[np.float32]  # [photos, width]
    label_ids: Ints  # [photos]; each class has at least one photo
    lists: npt.NDArray[np.int8]  # [photos], the subset: TRAINING, VALIDATION or TESTING
    bytes_ids: Ints  # [photos]; equal for files of equal bytes
    group_ids: Ints  # [photos]; equal for photos that the split keeps in one subset


@dataclass(frozen=True)
class AuditFindings:
    """What an audit found. Photos are given by their row numbers."""

    suspects: list[tuple[int, int, float]]  # photo, suggested label, label quality 0..1; lowest quality first
    pairs: list[Pair]
    leaks: list[int]
    curve: list[Point]
    missing: list[str]  # one line for each part of the audit that was impossible, with the reason


def find(task: Task) -> AuditFindings:
    """Runs the whole audit."""
    rows = components(task.features)
    found = find_duplicates(rows, task.bytes_ids.tolist(), task.lists)
    missing = []
    if not found.looked:
        missing.append(
            "near-duplicates were not searched for: this needs at least 48 different photos and a network with at least 16 features"
        )
    if not found.complete:
        missing.append(
            f"there are more than {ALL_PAIRS:,} photos, so near-duplicates within the training set were not searched for"
        )
    counts = np.bincount(task.label_ids)
    if len(counts) < 2 or counts.min() < FOLDS:
        why = f"a class has fewer than {FOLDS} photos" if len(counts) > 1 else "there is only one class"
        missing.append(f"label errors and the learning curve were not estimated: {why}")
        return AuditFindings([], found.pairs, found.leaks, [], missing)
    groups = _merged_groups(task.group_ids, found.pairs)
    probabilities, penalty, folds = out_of_fold(rows, task.label_ids, len(counts), groups)
    curve = learning_curve(folds, penalty)
    return AuditFindings(suspects(task.label_ids, probabilities), found.pairs, found.leaks, curve, missing)


def label_qualities(label_ids: Ints, probabilities: Floats) -> Floats:
    """Returns the predicted probability of each photo's own label: float32 [photos]. A low one suggests a wrong label.

    Northcutt et al. (2021), "Confident Learning", call it self-confidence.

    >>> label_qualities(np.array([1, 0]), np.float32([[0.75, 0.25], [0.5, 0.5]])).tolist()
    [0.25, 0.5]
    """
    return probabilities[np.arange(len(label_ids)), label_ids]


def suspects(label_ids: Ints, probabilities: Floats) -> list[tuple[int, int, float]]:
    """Returns (photo, suggested label, quality) for likely label errors, lowest quality first.

    They are the photos among the fraction SUSPECTS of lowest quality for which another label is more probable.
    """
    suggested = probabilities.argmax(axis=1)
    qualities = label_qualities(label_ids, probabilities)
    worst = np.argsort(qualities, kind="stable")[: int(len(qualities) * SUSPECTS)]
    return [(int(i), int(suggested[i]), round(float(qualities[i]), 4)) for i in worst if suggested[i] != label_ids[i]]


def _merged_groups(group_ids: Ints, pairs: list[Pair]) -> list[list[int]]:
    """Returns the groups of photos; groups that near-duplicates connect are merged."""
    groups: dict[int, list[int]] = defaultdict(list)
    at = group_ids.tolist()
    for place, group in enumerate(at):
        groups[group].append(place)
    for one, other, _, _ in pairs:
        here, there = at[one], at[other]
        if here != there:
            for member in groups[there]:
                at[member] = here
            groups[here] += groups.pop(there)
    return list(groups.values())
