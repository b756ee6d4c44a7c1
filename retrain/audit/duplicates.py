"""Components, digests and lists in, pairs of photos that show the same out: same bytes, or nearly the same picture.

Near twins are resized, re-encoded, mirrored or slightly cropped copies, and shots of one scene. They are found by the
features alone, so that no photo is opened: the components are whitened half-way, and a cosine counts by how far it
stands out from those of the photos' other neighbours (as in CSLS, Conneau et al. 2017). So the same threshold fits cats
and flowers, 100 photos and 1,000 (docs/decisions.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrain.types import TESTING

# The more components, the less two different photos have in common: the threshold falls along a line between these two.
_STRICT, _LOOSE = (64, 0.73), (384, 0.60)  # (components, similarity)
ALL_PAIRS = 20_000  # different photos; above, only pairs with a photo outside the training list are looked for
_FEWEST = 16  # components below which features say too little of a picture to tell twins
_PHOTOS_A_COMPONENT = 3  # fewer leave whitening nothing but noise
_FLOOR = 0.5  # added to each variance, in mean variances: the narrowest components are mostly noise
_NEIGHBOURS = 8  # kept of each photo; twins are among each other's
_BACKGROUND = slice(2, 7)  # the neighbours that a cosine is measured against, nearest is 0
_SAMPLE = 1024  # photos
_CELLS_AT_ONCE = 2**22  # of the table of cosines: 16 MB, however many photos there are

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Pair = tuple[int, int, bool, float]  # two photos, whether their bytes are equal, similarity 0..1


@dataclass(frozen=True)
class Found:
    """Twins among photos."""

    pairs: list[Pair]  # those in two lists first, then the most alike first
    leaks: list[int]  # photos of the test list with a twin outside it
    looked: bool  # whether there was enough to look for near twins
    complete: bool  # whether all pairs were compared


def twins(rows: Floats, digests: Sequence[int], lists: npt.NDArray[np.int8]) -> Found:
    """Finds pairs.

    Args:
      rows: float32 [photos, components], widest first.
      digests: [photos], equal where the files' bytes are.
      lists: int8 [photos], TRAINING, VALIDATION or TESTING.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for place, digest in enumerate(digests):
        members[digest].append(place)
    different = list(members.values())
    firsts = np.array([group[0] for group in different])
    complete = len(firsts) <= ALL_PAIRS
    asked = np.arange(len(firsts)) if complete else np.flatnonzero(lists[firsts])  # TRAINING is 0
    looked = _width(rows[firsts]) >= _FEWEST
    near = near_pairs(rows[firsts], asked) if looked else []
    pairs: list[Pair] = [(group[0], other, True, 1.0) for group in different for other in group[1:]]
    beside: dict[int, set[int]] = {place: set() for place in range(len(different))}
    for one, other, similarity in near:
        beside[one].add(other)
        beside[other].add(one)
        crossing = [(a, b) for a in different[one] for b in different[other] if lists[a] != lists[b]]
        a, b = sorted(crossing[0] if crossing else (different[one][0], different[other][0]))
        pairs.append((a, b, False, similarity))
    leaks = [
        place
        for number, group in enumerate(different)
        for place in group
        if lists[place] == TESTING
        and any(lists[twin] != TESTING for near_by in (number, *beside[number]) for twin in different[near_by])
    ]
    pairs.sort(key=lambda pair: (lists[pair[0]] == lists[pair[1]], -pair[3], pair[0], pair[1]))
    return Found(pairs, sorted(leaks), looked, complete)


def near_pairs(rows: Floats, asked: Ints) -> list[tuple[int, int, float]]:
    """Pairs of different photos that look the same, of which one at least was asked for: (lower, higher, similarity)."""
    threshold = threshold_at(_width(rows))
    units = _half_white(rows[:, : _width(rows)])
    usual_most = _usual_most(units, asked)
    places, nearest, cosines = _neighbours(units, asked, threshold)  # the measure below never exceeds the cosine
    others = np.setdiff1d(nearest[cosines > threshold], asked)
    more = _neighbours(units, others, threshold)
    places = np.concatenate([places, more[0]])
    nearest, cosines = np.vstack([nearest, more[1]]), np.vstack([cosines, more[2]])
    usual = np.minimum(_usual(cosines), usual_most)
    at = {place: number for number, place in enumerate(places.tolist())}
    found = {}
    for number, place in enumerate(places[: len(places) - len(more[0])].tolist()):
        for neighbour, cosine in zip(nearest[number].tolist(), cosines[number].tolist(), strict=True):
            if cosine <= threshold or neighbour not in at or place not in nearest[at[neighbour]]:
                continue
            background = (usual[number] + usual[at[neighbour]]) / 2
            similarity = float((cosine - background) / (1 - background))
            if similarity > threshold:
                found[min(place, neighbour), max(place, neighbour)] = min(similarity, 1.0)
    return [(one, other, similarity) for (one, other), similarity in sorted(found.items())]


def threshold_at(components: int) -> float:
    """The similarity from which two photos are twins.

    >>> threshold_at(224)
    0.665
    """
    (few, strict), (many, loose) = _STRICT, _LOOSE
    part = min(max((components - few) / (many - few), 0.0), 1.0)
    return round(strict + part * (loose - strict), 4)


def _width(rows: Floats) -> int:
    """How many components are used."""
    return min(int(rows.shape[1]), len(rows) // _PHOTOS_A_COMPONENT)


def _half_white(rows: Floats) -> Floats:
    """float32 [photos, components], rows of length 1."""
    variance = np.square(rows).mean(axis=0)
    white = rows / np.sqrt(variance + _FLOOR * variance.mean() + 1e-12)
    white /= np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-9)
    return np.asarray(white, np.float32)


def _usual(cosines: Floats) -> Floats:
    """float32 [photos]: how alike a photo's neighbours are that are no twins."""
    return np.asarray(np.clip(cosines[:, _BACKGROUND].mean(axis=1), 0, 0.99), np.float32)


def _usual_most(units: Floats, asked: Ints) -> float:
    """What hardly a photo exceeds, from a sample: a burst of one scene must not hide itself."""
    sample = asked[:: len(asked) // _SAMPLE + 1]
    return float(np.quantile(_usual(_neighbours(units, sample, -1)[2]), 0.95)) if len(sample) else 0.0


def _neighbours(units: Floats, asked: Ints, least: float) -> tuple[Ints, Ints, Floats]:
    """The photos asked for that have a neighbour above a cosine.

    Returns:
      (int64 [n], which photos; int64 [n, _NEIGHBOURS], the nearest of each, nearest first; float32, their cosines).
    """
    found = [(asked[:0], np.zeros((0, _NEIGHBOURS), np.int64), np.zeros((0, _NEIGHBOURS), np.float32))]
    rows = max(_CELLS_AT_ONCE // max(len(units), 1), 1)
    for start in range(0, len(asked), rows):
        some = asked[start : start + rows]
        block = units[some] @ units.T
        block[np.arange(len(some)), some] = -2  # not itself
        close = np.flatnonzero(block.max(axis=1) > least)  # few: to sort them all takes longer than the product
        block = block[close]
        best = np.argpartition(block, -_NEIGHBOURS, axis=1)[:, -_NEIGHBOURS:]
        values = np.take_along_axis(block, best, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        found.append((some[close], np.take_along_axis(best, order, axis=1), np.take_along_axis(values, order, axis=1)))
    places, nearest, cosines = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return places, nearest, cosines
