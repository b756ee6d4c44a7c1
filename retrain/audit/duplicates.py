"""Finds pairs of photos that are duplicates (equal bytes) or near-duplicates (nearly the same picture).

Near-duplicates are resized, re-encoded, mirrored or slightly cropped copies, and several photos of one scene. They are
found from the features alone, so that no photo is opened. The components are partly whitened, and a cosine similarity is
measured relative to those of the photos' other neighbours (as in CSLS, Conneau et al. 2017). Therefore the same threshold
is right for cats and flowers, for 100 photos and 1,000 (docs/decisions.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retrain.types import TESTING

# The more components there are, the less similar two different photos are: the threshold falls linearly between these two.
_STRICT, _LOOSE = (64, 0.73), (384, 0.60)  # (components, similarity)
ALL_PAIRS = (
    20_000  # most different photos of which all pairs are compared; else one of a pair is outside the training set
)
_FEWEST = 16  # fewest components that can distinguish near-duplicates from different photos
_PHOTOS_PER_COMPONENT = 3  # with fewer photos per component, whitening amplifies noise only
_FLOOR = (
    0.5  # added to each variance, as a multiple of the mean variance: components of small variance are mostly noise
)
_NEIGHBOURS = 8  # nearest neighbours found for each photo; near-duplicates are each other's neighbours
_BACKGROUND = slice(2, 7)  # the neighbours that a cosine is compared with; the nearest is 0
_SAMPLE = 1024  # photos from which the usual similarity is estimated
_CELLS_AT_ONCE = 2**22  # cosines computed at once: 16 MB, for any number of photos

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Pair = tuple[int, int, bool, float]  # two photos, whether their bytes are equal, similarity 0..1


@dataclass(frozen=True)
class Found:
    """The duplicates and near-duplicates among photos."""

    pairs: list[Pair]  # pairs in different subsets first, then by falling similarity
    leaks: list[int]  # test photos with a duplicate or near-duplicate outside the test set
    looked: bool  # whether there were enough photos and components to find near-duplicates
    complete: bool  # whether all pairs were compared


def find_duplicates(rows: Floats, digests: Sequence[int], lists: npt.NDArray[np.int8]) -> Found:
    """Finds pairs of duplicates and near-duplicates.

    Args:
      rows: float32 [photos, components], largest variance first.
      digests: [photos]; equal for files of equal bytes.
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
        and any(lists[other] != TESTING for near_by in (number, *beside[number]) for other in different[near_by])
    ]
    pairs.sort(key=lambda pair: (lists[pair[0]] == lists[pair[1]], -pair[3], pair[0], pair[1]))
    return Found(pairs, sorted(leaks), looked, complete)


def near_pairs(rows: Floats, asked: Ints) -> list[tuple[int, int, float]]:
    """Returns near-duplicates of which at least one is in `asked`, as (lower row, higher row, similarity)."""
    threshold = threshold_at(_width(rows))
    units = _partly_whitened(rows[:, : _width(rows)])
    usual_most = _usual_most(units, asked)
    places, nearest, cosines = _neighbours(units, asked, threshold)  # the similarity below never exceeds the cosine
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
    """Returns the similarity above which two photos are near-duplicates.

    >>> threshold_at(224)
    0.665
    """
    (few, strict), (many, loose) = _STRICT, _LOOSE
    part = min(max((components - few) / (many - few), 0.0), 1.0)
    return round(strict + part * (loose - strict), 4)


def _width(rows: Floats) -> int:
    """Returns how many components are used."""
    return min(int(rows.shape[1]), len(rows) // _PHOTOS_PER_COMPONENT)


def _partly_whitened(rows: Floats) -> Floats:
    """Returns the partly whitened components: float32 [photos, components], rows of length 1."""
    variance = np.square(rows).mean(axis=0)
    white = rows / np.sqrt(variance + _FLOOR * variance.mean() + 1e-12)
    white /= np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-9)
    return np.asarray(white, np.float32)


def _usual(cosines: Floats) -> Floats:
    """Returns each photo's mean similarity to neighbours that are not near-duplicates: float32 [photos]."""
    return np.asarray(np.clip(cosines[:, _BACKGROUND].mean(axis=1), 0, 0.99), np.float32)


def _usual_most(units: Floats, asked: Ints) -> float:
    """Returns the 95th percentile of `_usual` in a sample.

    It is an upper limit: without it, many photos of one scene would raise their own background and not be found.
    """
    sample = asked[:: len(asked) // _SAMPLE + 1]
    return float(np.quantile(_usual(_neighbours(units, sample, -1)[2]), 0.95)) if len(sample) else 0.0


def _neighbours(units: Floats, asked: Ints, least: float) -> tuple[Ints, Ints, Floats]:
    """Finds the photos among `asked` that have a neighbour with a cosine above `least`.

    Returns:
      (int64 [n], the photos; int64 [n, _NEIGHBOURS], the neighbours of each, nearest first; float32, their cosines).
    """
    found = [(asked[:0], np.zeros((0, _NEIGHBOURS), np.int64), np.zeros((0, _NEIGHBOURS), np.float32))]
    rows = max(_CELLS_AT_ONCE // max(len(units), 1), 1)
    for start in range(0, len(asked), rows):
        some = asked[start : start + rows]
        block = units[some] @ units.T
        block[np.arange(len(some)), some] = -2  # a photo is not its own neighbour
        close = np.flatnonzero(block.max(axis=1) > least)  # few photos; sorting all takes longer than the product
        block = block[close]
        best = np.argpartition(block, -_NEIGHBOURS, axis=1)[:, -_NEIGHBOURS:]
        values = np.take_along_axis(block, best, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        found.append((some[close], np.take_along_axis(best, order, axis=1), np.take_along_axis(values, order, axis=1)))
    places, nearest, cosines = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return places, nearest, cosines
