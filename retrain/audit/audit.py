"""A split and its features in, an Audit out: what to look at, from what is known already; no photo is opened.

`Auditor` is made before training, so that its process works meanwhile, and asked after the test.
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
from retrain.audit.findings import Findings, Task
from retrain.audit.kept import Shelf, key_of
from retrain.audit.worker import AuditError, Worker
from retrain.data.split import groups_of
from retrain.types import LISTS, Audit, CurvePoint, Outcome, Split, Suspect, Twins

_PAIRS = 200  # listed at most


class Auditor:
    """Finds what there is to say about photos; close it when done.

    Args:
      split: the photos.
      features: float32 [photos, width].
      features_key: what the features depend on.
      folder: --bottleneck_dir; what is found is kept there.
      weigh_alike: whether training lets each class weigh the same.
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
        self._split, self._shelf, self._weigh_alike = split, Shelf(folder), weigh_alike
        self._key = key_of(features_key, split)
        self._kept = self._shelf.read(self._key)
        self._worker: Worker | None = None
        self._problem = ""
        if self._kept is None:
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
        """What was found, with the test's accuracy without leaks; waits for it."""
        start = time.perf_counter()
        made = _told(self._split, self._findings(), outcome, weigh_alike=self._weigh_alike)
        return dataclasses.replace(made, seconds=round(self._seconds + time.perf_counter() - start, 3))

    def _findings(self) -> Findings:
        found = self._kept
        if self._worker and found is None:
            try:
                found = self._worker.findings()
                self._shelf.write(self._key, found)
            except AuditError as error:
                self._problem = str(error)
            except KeyboardInterrupt:  # all else is done: Ctrl-C means that nobody waits for this
                self._problem = "stopped"
        if found is None:
            return Findings([], [], [], [], [f"the photos are not audited: {self._problem}"])
        return found


def task_of(split: Split, features: npt.NDArray[np.float32]) -> Task:
    """What the audit works on, without names."""
    group_ids = np.zeros(len(split.photos), np.int64)
    for number, members in enumerate(groups_of(split.photos)):
        group_ids[members] = number
    first: dict[str, int] = {}
    bytes_ids = [first.setdefault(photo.sha256, place) for place, photo in enumerate(split.photos)]
    return Task(features, split.label_ids, split.lists, np.array(bytes_ids, np.int64), group_ids)


def without(leaks: Sequence[int], split: Split, outcome: Outcome) -> tuple[float | None, int]:
    """(test accuracy 0..1 without these photos, how many are left); (None, 0) where none is."""
    sound = ~np.isin(outcome.rows, leaks)
    tested = int(sound.sum())
    if not tested:
        return None, 0
    return float((outcome.predictions == split.label_ids[outcome.rows])[sound].mean()), tested


def _told(split: Split, findings: Findings, outcome: Outcome, *, weigh_alike: bool) -> Audit:
    """The findings with names for numbers."""
    photos, lists = split.photos, [LISTS[which] for which in split.lists]
    doubted = tuple(
        Suspect(photos[row].path, photos[row].label, split.labels[label], quality, lists[row])
        for row, label, quality in findings.suspects
    )
    duplicates = tuple(
        Twins(
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
        *advice.twin_lines(duplicates, len(findings.leaks), accuracy, tested, outcome.accuracy),
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
