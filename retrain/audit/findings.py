"""Features, labels and lists as plain arrays in, Findings out: what there is to say about photos, by their places."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrain.audit.components import components
from retrain.audit.duplicates import ALL_PAIRS, Pair, twins
from retrain.audit.folds import FOLDS, out_of_fold
from retrain.audit.learning_curve import Point, learning_curve

SUSPECTS = 0.08  # share of the photos that are listed at most

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Task:
    """What is audited."""

    features: npt.NDArray[np.float32]  # [photos, width]
    label_ids: Ints  # [photos]; each class has a photo
    lists: npt.NDArray[np.int8]  # [photos]: TRAINING, VALIDATION or TESTING
    bytes_ids: Ints  # [photos], equal where the files' bytes are
    group_ids: Ints  # [photos], equal where the split keeps photos together


@dataclass(frozen=True)
class Findings:
    """What was found, by the photos' places."""

    suspects: list[tuple[int, int, float]]  # photo, suggested label, quality 0..1; most suspicious first
    pairs: list[Pair]
    leaks: list[int]
    curve: list[Point]
    missing: list[str]  # what could not be done, and why


def find(task: Task) -> Findings:
    """Finds what there is to say."""
    rows = components(task.features)
    found = twins(rows, task.bytes_ids.tolist(), task.lists)
    missing = []
    if not found.looked:
        missing.append(
            "near-duplicates are not looked for: that takes 48 different photos and a network of 16 features or more"
        )
    if not found.complete:
        missing.append(
            f"of more than {ALL_PAIRS:,} photos, only those for validation and testing are compared with all"
        )
    counts = np.bincount(task.label_ids)
    if len(counts) < 2 or counts.min() < FOLDS:
        why = "a class has" if len(counts) > 1 else "there is one class only, or it has"
        missing.append(f"labels and numbers of photos are not judged: {why} fewer than {FOLDS} photos")
        return Findings([], found.pairs, found.leaks, [], missing)
    groups = _together(task.group_ids, found.pairs)
    probabilities, penalty, folds = out_of_fold(rows, task.label_ids, len(counts), groups)
    curve = learning_curve(folds, penalty)
    return Findings(suspects(task.label_ids, probabilities), found.pairs, found.leaks, curve, missing)


def label_qualities(label_ids: Ints, probabilities: Floats) -> Floats:
    """float32 [photos]: the probability of each photo's own label; a low one is suspicious.

    Northcutt et al. (2021), "Confident Learning", call it self-confidence.

    >>> label_qualities(np.array([1, 0]), np.float32([[0.75, 0.25], [0.5, 0.5]])).tolist()
    [0.25, 0.5]
    """
    return probabilities[np.arange(len(label_ids)), label_ids]


def suspects(label_ids: Ints, probabilities: Floats) -> list[tuple[int, int, float]]:
    """(photo, suggested label, quality): of the worst SUSPECTS of all, those where another label is the likelier."""
    suggested = probabilities.argmax(axis=1)
    qualities = label_qualities(label_ids, probabilities)
    worst = np.argsort(qualities, kind="stable")[: int(len(qualities) * SUSPECTS)]
    return [(int(i), int(suggested[i]), round(float(qualities[i]), 4)) for i in worst if suggested[i] != label_ids[i]]


def _together(group_ids: Ints, pairs: list[Pair]) -> list[list[int]]:
    """The groups, joined where twins lie in two of them."""
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
