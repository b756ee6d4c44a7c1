"""Photos in, three lists out: the split depends on labels, file names and the seed only.

A photo keeps its list when others are added and when the folder moves. Photos whose names agree up to `_nohash_`, and
photos with the same bytes, stay together. Reads no file and writes nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from label_image.errors import UserError
from retrain.nouns import LISTS, TESTING, TRAINING, VALIDATION, Photo, Scan, Split
from retrain.plan import Plan

_MAX_IMAGES = 2**27 - 1  # the original's MAX_NUM_IMAGES_PER_CLASS
_GROUP_MARK = "_nohash_"


def split_photos(scan: Scan, plan: Plan) -> Split:
    """Deals photos into training, validation and testing.

    Args:
      scan: the photos; those whose folder names their list keep it.
      plan: percentages, seed, legacy_split.

    Raises:
      UserError: a class has too few photos for the lists asked; it says how many are needed.
    """
    photos, labels = scan.photos, scan.labels
    if plan.legacy_split:
        lists = [list_of(percent(photo.path), plan) if photo.given is None else photo.given for photo in photos]
        return Split(photos, labels, np.array(lists, np.int8))
    shares = _shares(photos, plan)
    percents = grouped_percents(photos, plan.split_seed)
    lists = [
        photo.given if photo.given is not None else list_of(p, shares)
        for photo, p in zip(photos, percents, strict=True)
    ]
    notes = [note for label in labels for note in _mend(label, photos, percents, lists, shares)]
    return Split(photos, labels, np.array(lists, np.int8), tuple(notes))


def percent(text: str) -> float:
    """Where a name falls, 0 to 100 inclusive: the original's SHA-1 rule, on what stands before `_nohash_`.

    >>> round(percent("a/leaf_nohash_1.jpg"), 6)
    86.759893
    """
    digest = hashlib.sha1(
        text.split(_GROUP_MARK, maxsplit=1)[0].encode("utf-8", "surrogateescape"), usedforsecurity=False
    )
    return (int(digest.hexdigest(), 16) % (_MAX_IMAGES + 1)) * (100.0 / _MAX_IMAGES)


def list_of(p: float, plan: Plan) -> int:
    """The list of a photo that falls at `p`: validation first, then testing, then training."""
    if p < plan.validation_percentage:
        return VALIDATION
    return TESTING if p < plan.validation_percentage + plan.testing_percentage else TRAINING


def grouped_percents(photos: Sequence[Photo], seed: int) -> list[float]:
    """Where each photo falls; photos that must stay together fall where the one with the shortest name does.

    A copy's name is longer ("rose (1).jpg", "rose copy.jpg"), so the first photo does not move when it is copied.
    """
    salt = f"{seed}:" if seed else ""
    own = [percent(f"{salt}{photo.label}/{photo.name}") for photo in photos]
    percents = list(own)
    for members in _groups(photos):
        first = min(members, key=lambda i: (len(photos[i].name), photos[i].name, photos[i].label))
        for member in members:
            percents[member] = own[first]
    return percents


def _groups(photos: Sequence[Photo]) -> list[list[int]]:
    """Numbers of photos that share bytes or the name before `_nohash_`, directly or through others; groups of one left out."""
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
            keys.append(f"{photo.label}/{photo.name.split(_GROUP_MARK)[0]}")
        for key in keys:
            parent[root(i)] = root(first.setdefault(key, i))
    groups: dict[int, list[int]] = defaultdict(list)
    for i in range(len(photos)):
        groups[root(i)].append(i)
    return [members for members in groups.values() if len(members) > 1]


def _shares(photos: Sequence[Photo], plan: Plan) -> Plan:
    """The percentages for photos whose folders do not say their list: a list that has a folder takes no others."""
    given = {photo.given for photo in photos}
    return dataclasses.replace(
        plan,
        validation_percentage=0 if VALIDATION in given else plan.validation_percentage,
        testing_percentage=0 if TESTING in given else plan.testing_percentage,
    )


def _mend(label: str, photos: Sequence[Photo], percents: list[float], lists: list[int], plan: Plan) -> list[str]:
    """Moves the photo nearest the border into a list that the hash left empty; changes `lists`, returns notes.

    Raises:
      UserError: the class has fewer different photos than lists.
    """
    mine = [i for i, photo in enumerate(photos) if photo.label == label]
    free: dict[float, list[int]] = defaultdict(list)  # photos that stay together fall at the same place
    for i in mine:
        if photos[i].given is None:
            free[percents[i]].append(i)
    border = float(plan.validation_percentage)
    wanted = [
        (TRAINING, 100.0, True),
        (VALIDATION, border, plan.validation_percentage > 0),
        (TESTING, border + plan.testing_percentage, plan.testing_percentage > 0),
    ]
    needed = sum(asked for _, _, asked in wanted)
    if free and len(free) < needed and not any(photos[i].given is not None for i in mine):
        raise UserError(_too_few(label, len(mine), len(free), needed))
    notes = []
    for which, edge, asked in wanted:
        if asked and free and not any(lists[i] == which for i in mine):
            place = _nearest(free, lists, edge)
            for i in free[place]:
                lists[i] = which
            notes.append(
                f"{label}: the deal left no photo for {LISTS[which]}; {photos[free[place][0]].name} was moved there"
            )
    return notes


def _nearest(free: dict[float, list[int]], lists: list[int], edge: float) -> float:
    """The place nearest the border `edge` whose list keeps another photo."""
    places: dict[int, list[float]] = defaultdict(list)
    for place, members in free.items():
        places[lists[members[0]]].append(place)
    spare = [place for group in places.values() if len(group) > 1 for place in group]
    return min(spare, key=lambda place: (abs(place - edge), place))


def _too_few(label: str, count: int, different: int, needed: int) -> str:
    photos = "1 photo" if count == 1 else f"{count} photos"
    if different < count:
        photos += f", {different} of them different"
    return (
        f"cannot split {label!r}: found {photos}, need {needed} (one a list); add photos, remove the folder, "
        "or set --validation_percentage=0 or --testing_percentage=0"
    )
