"""How fast runs made features in, from how many photos on which one is sooner out.

The features of n photos take start + n x photo: `start` is the process's own start, the network's, and what the first
batch takes longer; `photo` is the pace after that. Training, test and exports are the same on each device and left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from retrain.compare.records import Run

COUNTS = (1, 100, 10_000)  # photos


@dataclass(frozen=True)
class Line:
    """seconds(n) = start_s + n * photo_s."""

    name: str
    start_s: float
    photo_s: float

    def seconds(self, photos: int) -> float:
        """For so many photos."""
        return self.start_s + photos * self.photo_s


@dataclass(frozen=True)
class Crossing:
    """From how many photos on another run is sooner than the first."""

    first: str
    other: str
    photos: int | None  # None: they do not cross; then `sooner` holds for any number
    sooner: str  # the one that is, from there on


@dataclass(frozen=True)
class Payoff:
    """A line a run, and where they cross."""

    lines: tuple[Line, ...]
    crossings: tuple[Crossing, ...]

    def soonest(self, photos: int) -> str:
        """The name of the run that has the features of so many photos first."""
        return min(self.lines, key=lambda line: line.seconds(photos)).name


def payoff_of(runs: Sequence[Run]) -> Payoff | None:
    """The lines of runs; None where one of them did not make enough features to tell."""
    lines = [line_of(run) for run in runs if run.wall_s is not None and run.pace.computed > run.pace.first]
    if len(lines) < len(runs):
        return None
    return Payoff(tuple(lines), tuple(crossing(lines[0], other) for other in lines[1:]))


def line_of(run: Run) -> Line:
    """The line through what was measured of one run."""
    pace = run.pace
    photo = (pace.seconds - pace.first_seconds) / (pace.computed - pace.first)
    first_batch = max(0.0, pace.first_seconds - pace.first * photo)
    process = max(0.0, (run.wall_s or 0.0) - sum(run.seconds.values()))
    return Line(run.name, process + run.seconds.get("backbone", 0.0) + first_batch, photo)


def crossing(first: Line, other: Line) -> Crossing:
    """Where two lines cross.

    >>> crossing(Line("cpu", 1, 0.1), Line("gpu", 6, 0.05))
    Crossing(first='cpu', other='gpu', photos=101, sooner='gpu')
    """
    saved = first.photo_s - other.photo_s
    later = other.start_s - first.start_s
    if not saved or later / saved < 1:
        always = min((first, other), key=lambda line: (line.photo_s, line.start_s))
        return Crossing(first.name, other.name, None, always.name)
    return Crossing(first.name, other.name, math.floor(later / saved + 1e-9) + 1, (other if saved > 0 else first).name)
