"""Computes break-even points: the number of photos above which one run computes features faster than another.

Computing the features of n photos takes start + n x photo seconds. `start` is the time to start the process and the
network, and the extra time of the first batch; `photo` is the time for each photo after that. Training, test and exports
take the same time on every device and are left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from retrain.compare.records import ComparedRun

COUNTS = (1, 100, 10_000)  # photos


@dataclass(frozen=True)
class Line:
    """seconds(n) = start_s + n * photo_s."""

    name: str
    start_s: float
    photo_s: float

    def seconds(self, photos: int) -> float:
        """Returns the time for a number of photos."""
        return self.start_s + photos * self.photo_s


@dataclass(frozen=True)
class Crossing:
    """The break-even point of two runs."""

    first: str
    other: str
    photos: int | None  # fewest photos for which `sooner` is faster; None if it is faster for any number
    sooner: str  # the name of the faster run, for at least `photos` photos


@dataclass(frozen=True)
class Payoff:
    """One line for each run, and the break-even points with the first run."""

    lines: tuple[Line, ...]
    crossings: tuple[Crossing, ...]

    def soonest(self, photos: int) -> str:
        """Returns the name of the run that computes the features of a number of photos fastest."""
        return min(self.lines, key=lambda line: line.seconds(photos)).name


def payoff_of(runs: Sequence[ComparedRun]) -> Payoff | None:
    """Computes the lines and break-even points; None if a run computed too few features to estimate its line."""
    lines = [line_of(run) for run in runs if run.wall_s is not None and run.pace.computed > run.pace.first]
    if len(lines) < len(runs):
        return None
    return Payoff(tuple(lines), tuple(crossing(lines[0], other) for other in lines[1:]))


def line_of(run: ComparedRun) -> Line:
    """Estimates the line of one run from its measured times."""
    pace = run.pace
    photo = (pace.seconds - pace.first_seconds) / (pace.computed - pace.first)
    first_batch = max(0.0, pace.first_seconds - pace.first * photo)
    process = max(0.0, (run.wall_s or 0.0) - sum(run.seconds.values()))
    return Line(run.name, process + run.seconds.get("backbone", 0.0) + first_batch, photo)


def crossing(first: Line, other: Line) -> Crossing:
    """Computes the break-even point of two lines.

    >>> crossing(Line("cpu", 1, 0.1), Line("gpu", 6, 0.05))
    Crossing(first='cpu', other='gpu', photos=101, sooner='gpu')
    """
    saved = first.photo_s - other.photo_s
    later = other.start_s - first.start_s
    if not saved or later / saved < 1:
        always = min((first, other), key=lambda line: (line.photo_s, line.start_s))
        return Crossing(first.name, other.name, None, always.name)
    return Crossing(first.name, other.name, math.floor(later / saved + 1e-9) + 1, (other if saved > 0 else first).name)
