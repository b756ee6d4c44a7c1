"""Features, labels and lists as plain arrays in, Findings out: what there is to say about photos, by their places."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrain.audit.components import components
from retrain.audit.duplicates import ALL_PAIRS, Pair, twins
from retrain.audit.folds import FOLDS, out_of_fold
from retrain.audit.learning_curve import Point, learning_curve

SUSPECTS = 0.08  # share of the photos that are listed at most

Ints = npt.NDArray[np.int64]
# (label ids [photos], probabilities [photos, classes]) -> quality [photos], 0..1, low is suspicious
Rank = Callable[[Ints, npt.NDArray[np.float32]], npt.NDArray[np.float64]]


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


def find(task: Task, rank: Rank | None) -> Findings:
    """Finds what there is to say.

    Args:
      task: the photos.
      rank: judges labels, cleanlab's; called only where a label is doubted at all. None leaves labels out.
    """
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
    return Findings(suspects(task.label_ids, probabilities, rank), found.pairs, found.leaks, curve, missing)


def suspects(
    label_ids: Ints, probabilities: npt.NDArray[np.float32], rank: Rank | None
) -> list[tuple[int, int, float]]:
    """(photo, suggested label, quality): of the worst SUSPECTS of all, those where another label is the likelier."""
    suggested = probabilities.argmax(axis=1)
    if rank is None or (suggested == label_ids).all():  # nothing to rank: cleanlab need not be imported
        return []
    qualities = rank(label_ids, probabilities)
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
