"""Splits photos into a training, a validation and a test set, by labels, file names and the seed only.

A photo keeps its subset when other photos are added and when the folder is moved, even to another operating system. Photos
whose names agree up to `_nohash_`, and photos with the same bytes, stay in one subset. This module reads and writes no file.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from label_image.errors import UserError
from retrain.data.comparable_names import composed
from retrain.types import LISTS, TESTING, TRAINING, VALIDATION, Photo, Scan, Split

_MAX_IMAGES = 2**27 - 1  # the original's MAX_NUM_IMAGES_PER_CLASS
_GROUP_MARK = "_nohash_"
SET_NAMES = ("training set", "validation set", "test set")


@dataclass(frozen=True)
class Percentages:
    """The percentages of photos in the validation set and the test set; the rest is for training."""

    validation: int = 10
    testing: int = 10


def split_photos(scan: Scan, percentages: Percentages, seed: int = 0, *, legacy: bool = False) -> Split:
    """Splits photos into a training, a validation and a test set.

    Args:
      scan: the photos; those whose folder names their subset keep it.
      percentages: the sizes of the subsets.
      seed: of the split; 0 is the default split.
      legacy: whether the hash uses the path as typed, as in the original.

    Raises:
      UserError: a class has too few photos for the subsets; it says how many are needed.
    """
    photos, shares = scan.photos, _without_given(scan.photos, percentages)
    groups = groups_of(photos)
    wanted = _wanted(shares)
    _check_enough(photos, groups, wanted)
    places = [percent(photo.path) for photo in photos] if legacy else _percents(photos, groups, seed)
    lists = [
        list_of(place, shares) if photo.given is None else photo.given
        for photo, place in zip(photos, places, strict=True)
    ]
    notes = [] if legacy else _fill_empty_subsets(photos, groups, places, lists, wanted)
    notes += _notes_on_empty_subsets(photos, lists, wanted)
    return Split(photos, scan.labels, np.array(lists, np.int8), (*notes, *_duplicate_notes(photos, lists)))


def percent(text: str) -> float:
    """Maps a name to a number from 0 to 100 by the original's SHA-1 rule, which uses the part before `_nohash_`.

    >>> round(percent("a/leaf_nohash_1.jpg"), 6)
    86.759893
    """
    return _percent_of(text.split(_GROUP_MARK, maxsplit=1)[0])


def list_of(p: float, percentages: Percentages) -> int:
    """Returns the subset of a photo with percent `p`: validation comes first, then testing, then training."""
    if p < percentages.validation:
        return VALIDATION
    return TESTING if p < percentages.validation + percentages.testing else TRAINING


def grouped_percents(photos: Sequence[Photo], seed: int) -> list[float]:
    """Returns the percent of each photo; photos that must stay together all get the percent of the shortest name.

    A copy has a longer name ("rose (1).jpg", "rose copy.jpg"), so the original photo keeps its subset when it is copied.
    """
    return _percents(photos, groups_of(photos), seed)


def _percent_of(text: str) -> float:
    """Hashes the NFC form of a name, so that the result is the same on every operating system."""
    digest = hashlib.sha1(composed(text).encode("utf-8", "surrogateescape"), usedforsecurity=False)
    return (int(digest.hexdigest(), 16) % (_MAX_IMAGES + 1)) * (100.0 / _MAX_IMAGES)


def _percents(photos: Sequence[Photo], groups: Sequence[Sequence[int]], seed: int) -> list[float]:
    salt = f"{seed}:" if seed else ""
    places = [0.0] * len(photos)
    for members in groups:
        first = photos[_original(photos, members)]
        # The mark has a meaning in file names only, not in folder names.
        place = _percent_of(f"{salt}{first.label}/{first.name.split(_GROUP_MARK, maxsplit=1)[0]}")
        for member in members:
            places[member] = place
    return places


def _original(photos: Sequence[Photo], members: Sequence[int]) -> int:
    """Returns the photo from whose name the other names were probably made."""
    if len(members) == 1:
        return members[0]
    return min(members, key=lambda i: _length_and_name(photos[i]))


def _length_and_name(photo: Photo) -> tuple[int, str, str, str]:
    name = composed(photo.name)
    return len(name), name, photo.label, composed(photo.path)


def groups_of(photos: Sequence[Photo]) -> list[list[int]]:
    """Groups the photos that stay together: equal bytes or equal names before `_nohash_`, directly or through others."""
    parent = list(range(len(photos)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[str, int] = {}
    for i, photo in enumerate(photos):
        keys = [photo.sha256]
        if _GROUP_MARK in photo.name:
            keys.append(f"{photo.label}/{composed(photo.name).split(_GROUP_MARK, maxsplit=1)[0]}")
        for key in keys:
            parent[root(i)] = root(first.setdefault(key, i))
    groups: dict[int, list[int]] = defaultdict(list)
    for i in range(len(photos)):
        groups[root(i)].append(i)
    return list(groups.values())


def _without_given(photos: Sequence[Photo], percentages: Percentages) -> Percentages:
    """Returns the percentages for photos whose folders do not determine a subset: a subset with a folder gets none of them."""
    given = {photo.given for photo in photos}
    return Percentages(
        0 if VALIDATION in given else percentages.validation,
        0 if TESTING in given else percentages.testing,
    )


def _wanted(percentages: Percentages) -> dict[int, tuple[float, float]]:
    """Returns the subsets to fill, each with its interval of `percent`."""
    low, high = percentages.validation, percentages.validation + percentages.testing
    wanted = {TRAINING: (float(high), 100.0), VALIDATION: (0.0, float(low)), TESTING: (float(low), float(high))}
    return {which: (start, end) for which, (start, end) in wanted.items() if which == TRAINING or end > start}


def _check_enough(
    photos: Sequence[Photo], groups: Sequence[Sequence[int]], wanted: dict[int, tuple[float, float]]
) -> None:
    """Refuses a class that has fewer different photos than subsets to fill, or no photo for training."""
    given = Counter(photo.label for photo in photos if photo.given is not None)
    training = {photo.label for photo in photos if photo.given in (TRAINING, None)}
    free = Counter(photo.label for photo in photos if photo.given is None)
    different = Counter(
        label for members in groups for label in {photos[i].label for i in members if photos[i].given is None}
    )
    for label in sorted({*given, *free}):
        if label not in training:
            raise UserError(f"cannot train the class {label!r}: it has no photo for training; add some, or remove it")
        if label in free and different[label] < len(wanted):
            raise UserError(_too_few(label, free[label], different[label], len(wanted)))


def _too_few(label: str, count: int, different: int, needed: int) -> str:
    photos = "1 photo" if count == 1 else f"{count} photos"
    if different < count:
        photos += f", {different} of them different"
    return (
        f"cannot split {label!r}: found {photos}, need {needed} (one for each subset); add photos, remove the folder, "
        "or set --validation_percentage=0 or --testing_percentage=0"
    )


class _EmptySubsetFiller:
    """Moves whole groups of photos into subsets that the hash left empty, without emptying another subset.

    A group may belong to several classes (the same picture under two labels). Such a group changes its subset in all of
    them, and is moved only if there is no other.
    """

    def __init__(
        self, photos: Sequence[Photo], groups: Sequence[Sequence[int]], places: Sequence[float], lists: list[int]
    ) -> None:
        self._photos, self._percents, self._lists = photos, places, lists
        self._of_class: dict[str, list[list[int]]] = defaultdict(list)
        self._counts: Counter[tuple[str, int]] = Counter()  # (label, subset) -> number of groups
        for group in groups:
            members = [i for i in group if photos[i].given is None]
            for label in self._labels(members):
                self._of_class[label].append(members)
                self._counts[label, lists[members[0]]] += 1

    @property
    def labels(self) -> list[str]:
        """Returns the sorted labels of the classes with photos that may be moved."""
        return sorted(self._of_class)

    def fill(self, label: str, which: int, borders: tuple[float, float]) -> str:
        """Moves the group nearest to the subset's interval into it; returns a note, or "" if the subset was not empty."""
        if self._counts[label, which]:
            return ""
        spare = [members for members in self._of_class[label] if self._may_move(members)]
        if not spare:
            raise UserError(
                f"cannot split {label!r}: its photos are also in other classes, and no split gives each class a photo for "
                f"{LISTS[which]}; each picture needs one label"
            )
        members = min(spare, key=lambda members: self._cost(members, borders))
        for touched in self._labels(members):
            self._counts[touched, self._lists[members[0]]] -= 1
            self._counts[touched, which] += 1
        for i in members:
            self._lists[i] = which
        moved = self._photos[_original(self._photos, members)].name
        copies = f" and {len(members) - 1} other{'s' * (len(members) > 2)} of its group" if len(members) > 1 else ""
        return f"{label}: the random split put no photo in the {SET_NAMES[which]}; moved {moved}{copies} there"

    def _labels(self, members: Iterable[int]) -> set[str]:
        return {self._photos[i].label for i in members}

    def _may_move(self, members: Sequence[int]) -> bool:
        here = self._lists[members[0]]
        return all(self._counts[label, here] > 1 for label in self._labels(members))

    def _cost(self, members: Sequence[int], borders: tuple[float, float]) -> tuple[bool, float, float, str]:
        place, (low, high) = self._percents[members[0]], borders
        name = composed(self._photos[_original(self._photos, members)].path)
        return len(self._labels(members)) > 1, max(low - place, place - high), place, name


def _fill_empty_subsets(
    photos: Sequence[Photo],
    groups: Sequence[Sequence[int]],
    places: Sequence[float],
    lists: list[int],
    wanted: dict[int, tuple[float, float]],
) -> list[str]:
    """Fills the subsets that the hash left empty; changes `lists` and returns a note for each move."""
    mender = _EmptySubsetFiller(photos, groups, places, lists)
    moves = [mender.fill(label, which, wanted[which]) for label in mender.labels for which in wanted]
    return [note for note in moves if note]


def _notes_on_empty_subsets(photos: Sequence[Photo], lists: Sequence[int], wanted: Iterable[int]) -> list[str]:
    """Returns notes on the subsets that --legacy_split left empty; the usual split leaves none empty."""
    counts = Counter((photo.label, which) for photo, which in zip(photos, lists, strict=True) if photo.given is None)
    labels = sorted({photo.label for photo in photos if photo.given is None})
    return [
        f"{label}: --legacy_split left no photo for {LISTS[which]}"
        for label in labels
        for which in wanted
        if not counts[label, which]
    ]


def _duplicate_notes(photos: Sequence[Photo], lists: Sequence[int]) -> list[str]:
    """Returns notes on pictures that have two labels, or that are in two subsets because of their folders."""
    same: dict[str, list[int]] = defaultdict(list)
    for i, photo in enumerate(photos):
        same[photo.sha256].append(i)
    copies = [members for members in same.values() if len(members) > 1]
    notes = []
    for what, kind in (
        ("with two labels", [photo.label for photo in photos]),
        ("in two subsets, which inflates the accuracy", [LISTS[which] for which in lists]),
    ):
        pairs = [sorted({kind[i]: photos[i].path for i in _by_path(photos, members)}.values()) for members in copies]
        found = sorted(pair for pair in pairs if len(pair) > 1)
        if found:
            one, other = found[0][:2]
            notes.append(f"pictures {what}: {len(found)}; {one} and {other} have the same bytes")
    return notes


def _by_path(photos: Sequence[Photo], members: Iterable[int]) -> list[int]:
    return sorted(members, key=lambda i: photos[i].path)
