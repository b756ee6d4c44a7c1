"""Makes a row of the table from repeated runs: our median, the baseline's median, their ratio, and whether the goal is met.

A ratio is computed from two consecutive runs, so that a busy minute affects both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MORE_IS_BETTER = ("images/s", "%")


@dataclass(frozen=True)
class Row:
    """One measurement."""

    what: str
    unit: str  # one of MORE_IS_BETTER, or one of which less is better: "s", "MB"
    ours: tuple[float, ...]  # one value for each run
    baseline: str = ""  # name of the baseline
    theirs: tuple[
        float, ...
    ] = ()  # one value for each run, measured in turn with ours; a single value is a fixed bound
    at_least: float | None = None  # the goal as a multiple of the baseline
    at_most: float | None = None  # the goal for our median, in `unit`
    note: str = ""

    @property
    def ratios(self) -> tuple[float, ...]:
        """Returns for each turn how many times better than the baseline: 2 is twice the images per second, or half the seconds."""
        theirs = self.theirs * len(self.ours) if len(self.theirs) == 1 else self.theirs
        pairs = zip(self.ours, theirs, strict=True) if theirs else ()
        return tuple(ours / other if self.unit in MORE_IS_BETTER else other / ours for ours, other in pairs)

    @property
    def goal(self) -> str:
        """Describes the goal in words; "" if there is none."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g} x"
        return "" if self.at_most is None else f"≤ {self.at_most:g} {self.unit}".rstrip()

    @property
    def met(self) -> bool | None:
        """Whether the medians meet the goal; None if there is no goal."""
        if self.at_least is not None:
            return statistics.median(self.ratios) >= self.at_least
        return None if self.at_most is None else statistics.median(self.ours) <= self.at_most


def seconds(work: Callable[[], object]) -> float:
    """Measures the seconds of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(works: Mapping[str, Callable[[], float]], repeat: int) -> dict[str, tuple[float, ...]]:
    """Measures several things in turn, in alternating order: A B, B A, A B ...

    Args:
      works: each gives its figure.
      repeat: turns, 1 or more.

    >>> in_turn({"a": lambda: 1.0, "b": lambda: 2.0}, 2)
    {'a': (1.0, 1.0), 'b': (2.0, 2.0)}
    """
    figures: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeat):
        for name in list(works)[:: 1 - 2 * (turn % 2)]:
            figures[name].append(works[name]())
    return {name: tuple(values) for name, values in figures.items()}


def rates(count: int, times: tuple[float, ...]) -> tuple[float, ...]:
    """Converts seconds for `count` photos to photos per second."""
    return tuple(count / time_s for time_s in times)
