"""Right and wrong of two classifiers on the same photos in, whether that shows a difference out.

McNemar (1947): photos that both get right or both get wrong say nothing. Of the others, each is a coin's throw if the two
are equally good; the exact binomial test says how odd the count is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_EXACT_UP_TO = 1000  # discordant pairs; beyond, the normal approximation differs by less than the third digit


def p_value(only_first: int, only_other: int) -> float:
    """Two-sided p of McNemar's test, 0..1.

    Args:
      only_first: photos that the first alone gets right.
      only_other: photos that the other alone gets right.

    >>> p_value(1, 5), p_value(0, 0)
    (0.21875, 1.0)
    """
    pairs: int = only_first + only_other
    few = min(only_first, only_other)
    if not pairs:
        return 1.0
    if pairs <= _EXACT_UP_TO:
        ways: int = sum(math.comb(pairs, count) for count in range(few + 1))
        return min(1.0, 2 * ways / (1 << pairs))
    # with the correction of Edwards (1948)
    return math.erfc(max(0, abs(only_first - only_other) - 1) / math.sqrt(2 * pairs))


def holm(values: Sequence[float]) -> list[float]:
    """Holm (1979): p values of several tests, raised so that all of them together err once in twenty.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    raised, least = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=lambda at: values[at])):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        raised[place] = least
    return raised


def sentence(first: str, other: str, shared: int, only: tuple[int, int], p: float) -> str:
    """What it means, for people.

    >>> sentence("cpu", "gpu", 100, (4, 6), 0.75)
    'cpu and gpu: no difference that 100 photos can show (right on one side alone: 4 and 6; p = 0.75)'
    """
    counts = f"right on one side alone: {only[0]} and {only[1]}; p = {p:.2g}"
    if not shared:
        return f"{first} and {other}: they share no test photo, so nothing can be said"
    if not any(only):
        return f"{first} and {other}: right and wrong on the same {shared} photos"
    if p >= 0.05:
        return f"{first} and {other}: no difference that {shared} photos can show ({counts})"
    better, worse = (first, other) if only[0] > only[1] else (other, first)
    return f"{better} is better than {worse} on {shared} photos, by more than chance would ({counts})"
