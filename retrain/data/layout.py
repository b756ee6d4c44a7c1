"""Finds the class folders of --image_dir: which folder is which class and which subset.

Only names are read here; `scan` reads the photos. What a folder that cannot be trained on could mean is said by `layout_advice`.
"""

# Paths are text here, as typed: --legacy_split hashes them, and Path would drop a "./".
# ruff: noqa: PTH118, PTH119, PTH120

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from os.path import join
from shlex import quote

from label_image.errors import UserError
from retrain.data import layout_advice
from retrain.data.class_folder import (
    ClassFolder,
    FolderRules,
    alike_notes,
    check_classes,
    check_labels,
    class_folder,
    classes_in,
    legacy_label,
    without_ours,
)
from retrain.data.comparable_names import composed, folded
from retrain.data.directory_listing import above, count_pictures, few, has_files, shown, sub_folders
from retrain.data.other_files import check_root
from retrain.data.split import Percentages
from retrain.data.subset_names import list_pairs, lists_of_names, same_list
from retrain.types import LISTS, TESTING, TRAINING, VALIDATION

__all__ = ["ClassFolder", "FolderRules", "class_folders", "legacy_label"]


def class_folders(image_dir: str, rules: FolderRules, percentages: Percentages) -> tuple[list[ClassFolder], list[str]]:
    """Finds the folders of photos.

    Args:
      image_dir: the folder, as typed.
      rules: how folders are read as classes.
      percentages: what subsets get that have no folder of their own; only said.

    Returns:
      (the class folders, each with a file in it; what the user should know, a line each).

    Raises:
      UserError: no such folder, no class, one class, an empty class, two folders with one label, a folder one level too
        high or too low, folders that can be read in several ways, a name that cannot be a label, no permission.
    """
    root = image_dir
    check_root(root)
    names, notes = without_ours(root)
    loose = count_pictures(root)
    if not names:
        raise layout_advice.no_folders(root, notes)
    if loose:
        notes.append(f"{loose} photos in {root} itself belong to no class and are not read")
    notes += _beside(root)
    lists = _lists(root, names)
    if lists:
        folders, more = _in_lists(root, names, lists, rules, percentages)
        return folders, [*alike_notes(folders), *more, *notes]
    if _lists_in_classes(root, names):
        folders, more = _classes_with_lists(root, names, rules.legacy_labels, percentages)
        return folders, [*alike_notes(folders), *more, *notes]
    if rules.nested == "none" and not any(has_files(join(root, name)) for name in names):
        raise layout_advice.too_high(root)
    folders = classes_in(root, names, rules)
    check_classes(root, names, folders, rules.nested)
    return folders, [*alike_notes(folders), *notes, *_named_as_lists(root, names)]


def _lists(root: str, names: Sequence[str]) -> dict[str, int]:
    """The folders that name a list -> the list; none where the folders are classes.

    A class may be called "train" too: then other classes stand beside it. Where there is no folder for training, the classes
    that stand beside test/ are what is trained on, if test/ has folders of their names.
    """
    lists = lists_of_names(names)
    training = [name for name, which in lists.items() if which == TRAINING]
    others = [name for name in names if name not in lists]
    if not training:
        held = {name: which for name, which in lists.items() if _holds_classes(join(root, name), others)}
        return held if all(has_files(join(root, name)) for name in others) else {}
    holds = [name for name in training if sub_folders(join(root, name))]
    if others and not holds:
        return {}
    if others and len(lists) == 1 and any(count_pictures(join(root, name)) for name in (*others, *training)):
        return {}
    for which, text in enumerate(LISTS):
        same = [name for name in lists if lists[name] == which]
        if len(same) > 1:
            raise UserError(f"the folders {few(same)} in {root} both name the {text} list; put their photos into one")
    return lists


def _holds_classes(place: str, classes: Sequence[str]) -> bool:
    """Whether a folder without files of its own has folders of some of these classes."""
    below = sub_folders(place)
    return bool(below) and not has_files(place) and set(map(composed, below)) <= set(map(composed, classes))


def _named_as_lists(root: str, names: Sequence[str]) -> list[str]:
    """A line on classes whose names could stand for a list, or for a class and a list."""
    lists = lists_of_names(names)
    notes = [
        f"{join(root, name)}/ is taken for a class called {name!r}, not for photos for {LISTS[which]}, since photos lie in it "
        "and other classes stand beside it; if that is wrong, move it elsewhere"
        for name, which in lists.items()
    ]
    parted = [pair for pair in list_pairs(names) if not lists.keys() & set(pair)]
    if parted:
        pair = " and ".join(f"{name}/" for name in parted[0]) + (
            f", and {len(parted) - 1} more such" if parted[1:] else ""
        )
        notes.append(
            f"taken for classes of their own, though their names differ in nothing but the list: {pair}; if that is wrong, move "
            f"the photos into {join(root, 'train')}/CLASS/ and {join(root, 'test')}/CLASS/"
        )
    return notes


def _beside(root: str) -> list[str]:
    """A line where --image_dir is one of train/ and test/, and the other stands beside it."""
    higher = above(root)
    try:
        lists = lists_of_names([shown(root), *sub_folders(higher)])
    except UserError:  # not to be read
        return []
    own = lists.get(shown(root))
    if own is None:
        return []
    other = {which: name for name, which in lists.items()}.get(TESTING if own == TRAINING else TRAINING)
    if other is None:
        return []
    does = f"to test on {other}/" if own == TRAINING else f"to train on {other}/ instead"
    return [
        f"{other}/ stands beside {shown(root)}/ and is not read; {does}, give the folder above: --image_dir={higher}"
    ]


def _place_of_list(place: str) -> str:
    """Where the class folders of a list are: archives often hold training_set/training_set/."""
    below = sub_folders(place)
    if len(below) == 1 and same_list(os.path.basename(place), below[0]) and not has_files(place):
        return join(place, below[0])
    return place


def _in_lists(
    root: str, names: Sequence[str], lists: dict[str, int], rules: FolderRules, percentages: Percentages
) -> tuple[list[ClassFolder], list[str]]:
    """The class folders in train/, validation/ and test/."""
    places = {which: _place_of_list(join(root, name)) for name, which in lists.items()}
    train = places.get(TRAINING, root)
    labels = [name for name in without_ours(train)[0] if train != root or name not in lists]
    if not labels:
        raise layout_advice.no_classes(root, train)
    if rules.nested == "none" and not any(has_files(join(train, name)) for name in labels):
        raise layout_advice.too_high(root, train)
    found = {TRAINING: classes_in(train, labels, rules, TRAINING)}
    check_classes(train, labels, found[TRAINING], rules.nested)
    notes = [f"the folders {few(lists)} say which list a photo belongs to; that is kept"]
    for which in (VALIDATION, TESTING):
        if which in places:
            found[which], more = _other_list(places[which], which, found[TRAINING], rules)
            notes += more
            notes += _compared(train, found[TRAINING], found[which])
    unread = [name for name in names if name not in lists] if train != root else []
    folders, split = _open_subsets(found, train, percentages)
    return folders, [*notes, *split, *([f"the folders {few(unread)} beside them are not read"] if unread else [])]


def _other_list(
    place: str, which: int, training: Sequence[ClassFolder], rules: FolderRules
) -> tuple[list[ClassFolder], list[str]]:
    """The class folders for validation or testing, and a line on photos there that have no class."""
    below = without_ours(place)[0]
    names = [name for name in below if rules.nested != "none" or has_files(join(place, name))]
    folders = classes_in(place, names, rules, which)
    labels = {folder.label for folder in folders}
    unlabelled = count_pictures(place)
    at = place
    if len(labels) == 1 and not labels & {folder.label for folder in training}:  # test/unknown/, test/images/
        at = folders[0].path
        unlabelled, folders = unlabelled + sum(count_pictures(folder.path) for folder in folders), []
    if not unlabelled:
        return folders, []
    photos = f"{unlabelled} photos" if unlabelled > 1 else "1 photo"
    line = f"{photos} in {at} in no folder of a class: not used for {LISTS[which]}; label them afterwards: python -m label_image --image {quote(at)}"
    return folders, [line]


def _lists_in_classes(root: str, names: Sequence[str]) -> bool:
    """Whether each class folder holds nothing but folders that name a list, photos for training among them."""
    for name in names:
        below = sub_folders(join(root, name))
        lists = lists_of_names(below)
        if not below or len(lists) < len(below) or has_files(join(root, name)):
            return False
        if not any(which == TRAINING and has_files(join(root, name, one)) for one, which in lists.items()):
            return False
    return True


def _classes_with_lists(
    root: str, names: Sequence[str], legacy_labels: bool, percentages: Percentages
) -> tuple[list[ClassFolder], list[str]]:
    """The folders of CLASS/train, CLASS/test and so on."""
    found: dict[int, list[ClassFolder]] = {}
    classes = [class_folder(join(root, name), legacy_labels) for name in names]
    check_labels(classes)
    for whole in classes:
        for name, which in lists_of_names(sub_folders(whole.path)).items():
            if has_files(join(whole.path, name)):
                folder = replace(whole, path=join(whole.path, name), given=which, part=True)
                found.setdefault(which, []).append(folder)
    if len(names) < 2:
        raise UserError(
            f"cannot train on one class: found only {names[0]!r} in {root}; add a second folder of photos beside it"
        )
    below = dict.fromkeys(os.path.basename(folder.path) for folders in found.values() for folder in folders)
    notes = [f"the folders {few(below)} in each class say which list a photo belongs to; that is kept"]
    for which in (VALIDATION, TESTING):
        missing = sorted({one.label for one in found[TRAINING]} - {one.label for one in found.get(which, [])})
        if missing and which in found:
            notes.append(f"no photos for {LISTS[which]} of {', '.join(missing)}")
    folders, split = _open_subsets(found, root, percentages)
    return folders, [*notes, *split]


def _open_subsets(
    found: dict[int, list[ClassFolder]], train: str, percentages: Percentages
) -> tuple[list[ClassFolder], list[str]]:
    """All folders; those for training leave the subset open where one has no folder, which is said."""
    empty = [which for which in (VALIDATION, TESTING) if not found.get(which)]
    percent = {VALIDATION: percentages.validation, TESTING: percentages.testing}
    notes = [
        f"no folder has photos for {LISTS[which]}: {percent[which]} % of {train} are used for it"
        for which in empty
        if percent[which]
    ]
    if empty:
        found = {**found, TRAINING: [replace(folder, given=None) for folder in found[TRAINING]]}
    return [folder for which in sorted(found) for folder in found[which]], notes


def _compared(train: str, training: Sequence[ClassFolder], others: Sequence[ClassFolder]) -> list[str]:
    """Refuses a class that has photos for another list and none for training; notes the reverse."""
    if not others:
        return []
    if not others[0].part:
        check_labels(others)
    place = os.path.dirname(others[0].path)
    labels = {folder.label for folder in training}
    for folder in others:
        if folder.label not in labels:
            near = next((label for label in sorted(labels) if folded(label) == folded(folder.label)), None)
            advice = f"is it {near!a}, which looks like {folder.label!a}? then rename it" if near else "add some"
            raise UserError(
                f"cannot train the class {folder.label!r}: its photos are in {folder.path} and none in {train}; {advice}, or remove it"
            )
    missing = sorted(labels - {folder.label for folder in others})
    return [f"{place} has no photos of {', '.join(missing)}"] if missing else []
