"""Tests whether two classifiers differ in accuracy on the same photos, with McNemar's test.

McNemar (1947): photos that both classifiers label correctly, or both wrongly, carry no information. If the classifiers are
equally good, each of the other photos favours either with probability 1/2. The exact binomial test gives the p value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_EXACT_UP_TO = 1000  # discordant photos; for more, the normal approximation differs by less than the third digit


def p_value(only_first: int, only_other: int) -> float:
    """Computes the two-sided p value of McNemar's test, 0..1.

    Args:
      only_first: number of photos that only the first labels correctly.
      only_other: number of photos that only the other labels correctly.

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
    """Corrects the p values of several tests, so that the probability of any false positive is at most 5 %: Holm (1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected, least = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=lambda at: values[at])):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        corrected[place] = least
    return corrected


def sentence(first: str, other: str, shared: int, only: tuple[int, int], p: float) -> str:
    """Describes the result of the test in one sentence.

    >>> sentence("cpu", "gpu", 100, (4, 6), 0.75)
    'cpu and gpu: no significant difference on 100 photos (only one is correct on: 4 and 6; p = 0.75)'
    """
    counts = f"only one is correct on: {only[0]} and {only[1]}; p = {p:.2g}"
    if not shared:
        return f"{first} and {other}: no test photo in common, so they cannot be compared"
    if not any(only):
        return f"{first} and {other}: of {shared} photos, both label the same ones correctly"
    if p >= 0.05:
        return f"{first} and {other}: no significant difference on {shared} photos ({counts})"
    better, worse = (first, other) if only[0] > only[1] else (other, first)
    return f"{better} is significantly better than {worse} on {shared} photos ({counts})"
