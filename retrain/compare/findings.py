"""Runs in, what sets them apart out: pure, but for the features, which are read from the runs' own stores."""

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
from retrain.compare.records import Run
from retrain.data.augment import View
from retrain.store.feature_store import Store

_NEAR = 0.01  # one point below the best is the tutorial's plateau


@dataclass(frozen=True)
class Plateau:
    """When a run came within a point of its best validation accuracy."""

    step: int
    seconds: float  # since the run began; steps are taken to last equally long


@dataclass(frozen=True)
class Drift:
    """How far the features of the same photos lie apart."""

    photos: int
    largest: float  # difference of one feature
    typical: float  # root of the mean square of differences, as a share of the features' standard deviation
    least_cosine: float  # of one photo's features, 1: the same direction


@dataclass(frozen=True)
class Pair:
    """The first run beside another."""

    first: str
    other: str
    shared: int  # photos that both were tested on
    only_first: int  # of which the first alone is right
    only_other: int
    p: float  # McNemar's; raised after Holm where there are several pairs
    answers_differ: int  # of the shared ones
    largest_score_difference: float | None  # where both answer the same
    features: Drift | None  # None where they are not of one network, or not at hand

    @property
    def sentence(self) -> str:
        """What the test says, for people."""
        return sentence(self.first, self.other, self.shared, (self.only_first, self.only_other), self.p)


@dataclass(frozen=True)
class Findings:
    """All that is shown."""

    runs: tuple[Run, ...]
    timed: bool  # whether the making of features was timed
    plateaus: tuple[Plateau | None, ...]  # a run each; None: nothing was validated
    pairs: tuple[Pair, ...]
    payoff: Payoff | None
    note: str = ""  # what the reader should know of the circumstances

    @property
    def groups(self) -> dict[str, list[int]]:
        """Places of the runs that differ by their seeds alone, by what they share; each its own where none do."""
        found: dict[str, list[int]] = {}
        for place, run in enumerate(self.runs):
            found.setdefault(run.group or run.name, []).append(place)
        return found


def find(runs: Sequence[Run], timed: bool, note: str = "") -> Findings:
    """Compares the runs; the first is what the others are held against, the first of each round where seeds were swept."""
    pairs = [_pair(first, other) for first, other in _held_against(runs)]
    raised = holm([pair.p for pair in pairs])
    return Findings(
        tuple(runs),
        timed,
        tuple(_plateau(run) for run in runs),
        tuple(dataclasses.replace(pair, p=p) for pair, p in zip(pairs, raised, strict=True)),
        payoff_of(runs) if timed else None,
        note,
    )


def _held_against(runs: Sequence[Run]) -> list[tuple[Run, Run]]:
    firsts: dict[str, Run] = {}
    for run in runs:
        firsts.setdefault(run.round, run)
    pairs = [(firsts[run.round], run) for run in runs if firsts[run.round] is not run]
    return pairs or [(runs[0], other) for other in runs[1:]]


def _plateau(run: Run) -> Plateau | None:
    if run.best_validation is None:
        return None
    enough = run.best_validation - _NEAR
    for step, share in zip(run.steps, run.validation_accuracy, strict=True):
        if share >= enough:
            before = itertools.takewhile(lambda phase: phase != "training", run.seconds)
            start = sum(run.seconds[phase] for phase in before)
            return Plateau(step, start + run.seconds.get("training", 0.0) * (step + 1) / max(1, run.all_steps))
    return None


def _pair(first: Run, other: Run) -> Pair:
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


def _drift(first: Run, other: Run) -> Drift | None:
    """The drift of features between two stores that each hold one network's."""
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
    """(key, digests, width) of the features of photos as they are."""
    for key, (digests, width) in store.holds().items():
        if json.loads(key).get("view") == View().key:
            return key, digests, width
    return "{}", [], 0


def _network(key: str) -> object:
    return json.loads(key).get("backbone")
