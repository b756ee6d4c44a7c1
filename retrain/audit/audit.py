"""The class Auditor: audits the photos of a run from their features and labels; it opens no photo.

An `Auditor` is made before training, so that its process works while training does, and is asked for its result after
the test.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from retrain.audit import advice
from retrain.audit.cache import AuditCache, key_of
from retrain.audit.findings import AuditFindings, Task
from retrain.audit.worker import AuditError, Worker
from retrain.data.split import groups_of
from retrain.types import LISTS, Audit, CurvePoint, NearDuplicates, Outcome, Split, Suspect

_PAIRS = 200  # most pairs of near-duplicates that are listed


class Auditor:
    """Audits the photos of a split in a process of its own. Close it after use.

    Args:
      split: the photos with their labels and subsets.
      features: float32 [photos, width].
      features_key: identifies everything that the features depend on.
      folder: --bottleneck_dir, in which the findings are cached.
      weigh_alike: whether training gives each class the same total weight.
    """

    def __init__(
        self,
        split: Split,
        features: npt.NDArray[np.float32],
        features_key: str,
        folder: Path,
        *,
        weigh_alike: bool = True,
    ) -> None:
        start = time.perf_counter()
        self._split, self._cache, self._weigh_alike = split, AuditCache(folder), weigh_alike
        self._key = key_of(features_key, split)
        self._cached = self._cache.read(self._key)
        self._worker: Worker | None = None
        self._problem = ""
        if self._cached is None:
            try:
                self._worker = Worker(task_of(split, features))
            except OSError as error:
                self._problem = str(error)
        self._seconds = time.perf_counter() - start

    def close(self) -> None:
        """Ends the process."""
        if self._worker:
            self._worker.close()

    def audit(self, outcome: Outcome) -> Audit:
        """Waits for the findings, and returns them with the test accuracy without leaked photos."""
        start = time.perf_counter()
        made = _audit_of(self._split, self._findings(), outcome, weigh_alike=self._weigh_alike)
        return dataclasses.replace(made, seconds=round(self._seconds + time.perf_counter() - start, 3))

    def _findings(self) -> AuditFindings:
        found = self._cached
        if self._worker and found is None:
            try:
                found = self._worker.findings()
                self._cache.write(self._key, found)
            except AuditError as error:
                self._problem = str(error)
            except KeyboardInterrupt:  # all other work is done, so Ctrl-C only ends the wait for the audit
                self._problem = "stopped"
        if found is None:
            return AuditFindings([], [], [], [], [f"the photos were not audited: {self._problem}"])
        return found


def task_of(split: Split, features: npt.NDArray[np.float32]) -> Task:
    """Returns the arrays that the audit works on; they contain no names."""
    group_ids = np.zeros(len(split.photos), np.int64)
    for number, members in enumerate(groups_of(split.photos)):
        group_ids[members] = number
    first: dict[str, int] = {}
    bytes_ids = [first.setdefault(photo.sha256, place) for place, photo in enumerate(split.photos)]
    return Task(features, split.label_ids, split.lists, np.array(bytes_ids, np.int64), group_ids)


def without(leaks: Sequence[int], split: Split, outcome: Outcome) -> tuple[float | None, int]:
    """Returns (test accuracy 0..1 without these photos, number of photos left), or (None, 0) if no photo is left."""
    sound = ~np.isin(outcome.rows, leaks)
    tested = int(sound.sum())
    if not tested:
        return None, 0
    return float((outcome.predictions == split.label_ids[outcome.rows])[sound].mean()), tested


def _audit_of(split: Split, findings: AuditFindings, outcome: Outcome, *, weigh_alike: bool) -> Audit:
    """Converts the findings to an Audit: replaces row numbers by paths and labels, and adds the advice."""
    photos, lists = split.photos, [LISTS[which] for which in split.lists]
    doubted = tuple(
        Suspect(photos[row].path, photos[row].label, split.labels[label], quality, lists[row])
        for row, label, quality in findings.suspects
    )
    duplicates = tuple(
        NearDuplicates(
            first=photos[a].path,
            second=photos[b].path,
            first_list=lists[a],
            second_list=lists[b],
            first_label=photos[a].label,
            second_label=photos[b].label,
            exact=exact,
            similarity=round(similarity, 4),
        )
        for a, b, exact, similarity in findings.pairs
    )
    curve = tuple(
        CurvePoint(count, round(accuracy, 4), {x: round(r, 4) for x, r in zip(split.labels, recalls, strict=True)})
        for count, accuracy, recalls in findings.curve
    )
    accuracy, tested = without(findings.leaks, split, outcome)
    missing = "; ".join(findings.missing)
    counts = Counter(photo.label for photo in photos)
    lines = [
        *advice.label_lines(doubted),
        *advice.duplicate_lines(duplicates, len(findings.leaks), accuracy, tested, outcome.accuracy),
        *advice.curve_lines(curve, counts),
        *advice.balance_lines(counts, advice.flat_classes(curve, counts), weigh_alike=weigh_alike),
        *filter(None, [missing]),
    ]
    return Audit(
        suspects=doubted,
        duplicates=duplicates[:_PAIRS],
        leaks=len(findings.leaks),
        accuracy_without_leaks=accuracy,
        tested_without_leaks=tested,
        learning_curve=curve,
        advice=tuple(lines),
        missing=missing,
    )
