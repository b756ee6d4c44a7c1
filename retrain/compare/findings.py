"""Compares runs: significance of the difference in accuracy, plateaus, drift of features and scores, and the break-even point.

It computes from records alone, except for the features, which it reads from the stores of the runs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrain.compare.mcnemar import holm, p_value, sentence
from retrain.compare.payoff import Payoff, payoff_of
from retrain.compare.records import ComparedRun
from retrain.data.augment import View
from retrain.store.feature_store import Store

_NEAR = 0.01  # the plateau begins one percentage point below the best accuracy, as in the tutorial


@dataclass(frozen=True)
class Plateau:
    """When a run first came within one percentage point of its best validation accuracy."""

    step: int
    seconds: float  # since the start of the run, assuming that all steps take equally long


@dataclass(frozen=True)
class Drift:
    """How much the features of the same photos differ between two runs."""

    photos: int
    largest: float  # largest difference of one feature
    typical: float  # root mean square difference, divided by the standard deviation of the features
    least_cosine: float  # lowest cosine similarity of a photo's features; 1 if they are equal


@dataclass(frozen=True)
class Pair:
    """A comparison of two runs."""

    first: str
    other: str
    shared: int  # test photos that both runs have
    only_first: int  # of these, photos that only the first run labels correctly
    only_other: int
    p: float  # p value of McNemar's test, with Holm's correction if there are several pairs
    answers_differ: int  # shared photos with different predictions
    largest_score_difference: float | None  # among the photos with the same prediction
    features: Drift | None  # None if the features come from different networks, or are not stored

    @property
    def sentence(self) -> str:
        """Describes the result of the significance test in one sentence."""
        return sentence(self.first, self.other, self.shared, (self.only_first, self.only_other), self.p)


@dataclass(frozen=True)
class ComparisonResult:
    """The result of a comparison."""

    runs: tuple[ComparedRun, ...]
    timed: bool  # whether the computation of features was timed
    plateaus: tuple[Plateau | None, ...]  # one for each run; None if the validation set is empty
    pairs: tuple[Pair, ...]
    payoff: Payoff | None
    note: str = ""  # a circumstance that affects the figures

    @property
    def groups(self) -> dict[str, list[int]]:
        """Returns the indices of the runs by group; the runs of a group differ only by their seeds."""
        found: dict[str, list[int]] = {}
        for place, run in enumerate(self.runs):
            found.setdefault(run.group or run.name, []).append(place)
        return found


def find(runs: Sequence[ComparedRun], timed: bool, note: str = "") -> ComparisonResult:
    """Compares every run with the first one; if several seeds were given, with the first run that has the same seeds."""
    pairs = [_pair(first, other) for first, other in _pairs_of(runs)]
    corrected = holm([pair.p for pair in pairs])
    return ComparisonResult(
        tuple(runs),
        timed,
        tuple(_plateau(run) for run in runs),
        tuple(dataclasses.replace(pair, p=p) for pair, p in zip(pairs, corrected, strict=True)),
        payoff_of(runs) if timed else None,
        note,
    )


def _pairs_of(runs: Sequence[ComparedRun]) -> list[tuple[ComparedRun, ComparedRun]]:
    firsts: dict[str, ComparedRun] = {}
    for run in runs:
        firsts.setdefault(run.round, run)
    pairs = [(firsts[run.round], run) for run in runs if firsts[run.round] is not run]
    return pairs or [(runs[0], other) for other in runs[1:]]


def _plateau(run: ComparedRun) -> Plateau | None:
    if run.best_validation is None:
        return None
    enough = run.best_validation - _NEAR
    for step, accuracy in zip(run.steps, run.validation_accuracy, strict=True):
        if accuracy >= enough:
            before = itertools.takewhile(lambda phase: phase != "training", run.seconds)
            start = sum(run.seconds[phase] for phase in before)
            return Plateau(step, start + run.seconds.get("training", 0.0) * (step + 1) / max(1, run.all_steps))
    return None


def _pair(first: ComparedRun, other: ComparedRun) -> Pair:
    both = [(first.answers[path], other.answers[path]) for path in sorted(first.answers.keys() & other.answers.keys())]
    right = [(a.predicted == a.label, b.predicted == b.label) for a, b in both]
    only = right.count((True, False)), right.count((False, True))
    return Pair(
        first.name,
        other.name,
        len(both),
        *only,
        p_value(*only),
        sum(a.predicted != b.predicted for a, b in both),
        max((abs(a.score - b.score) for a, b in both if a.predicted == b.predicted), default=None),
        _drift(first, other),
    )


def _drift(first: ComparedRun, other: ComparedRun) -> Drift | None:
    """Computes the drift between the features in two stores, each of one network."""
    if not first.bottleneck_dir or not other.bottleneck_dir or first.bottleneck_dir == other.bottleneck_dir:
        return None
    with contextlib.closing(Store(first.bottleneck_dir)) as a, contextlib.closing(Store(other.bottleneck_dir)) as b:
        (key, digests, width), (other_key, other_digests, other_width) = _plain(a), _plain(b)
        shared = sorted(set(digests) & set(other_digests))
        if width != other_width or not shared or _network(key) != _network(other_key):
            return None
        left, _ = a.read(key, shared, width)
        right, _ = b.read(other_key, shared, width)
    spread = float(left.std(axis=0, dtype=np.float64).mean())
    apart = (left - right).astype(np.float64)
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosines = (left.astype(np.float64) * right).sum(axis=1) / np.maximum(norms, 1e-12)
    return Drift(
        len(shared),
        float(np.abs(apart).max()),
        float(np.sqrt(np.square(apart).mean())) / max(spread, 1e-12),
        min(1.0, float(cosines.min())),
    )


def _plain(store: Store) -> tuple[str, list[str], int]:
    """Returns (key, digests, width) of the features of undistorted photos."""
    for key, (digests, width) in store.holds().items():
        if json.loads(key).get("view") == View().key:
            return key, digests, width
    return "{}", [], 0


def _network(key: str) -> object:
    return json.loads(key).get("backbone")
