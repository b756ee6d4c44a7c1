"""Finds the class folders of --image_dir, and determines the class and the subset that each folder stands for.

Only names are read here; `scan` reads the photos. `layout_advice` explains how a folder that cannot be used might be meant.
"""

# Paths are strings here, as typed: --legacy_split hashes them, and Path would drop a "./".
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
from retrain.data.subset_names import same_subset, subset_pairs, subsets_of_names
from retrain.types import LISTS, TESTING, TRAINING, VALIDATION

__all__ = ["ClassFolder", "FolderRules", "class_folders", "legacy_label"]


def class_folders(image_dir: str, rules: FolderRules, percentages: Percentages) -> tuple[list[ClassFolder], list[str]]:
    """Finds the folders of photos.

    Args:
      image_dir: the folder, as typed.
      rules: how folders are read as classes.
      percentages: the sizes of subsets that have no folder; used only in notes.

    Returns:
      (the class folders, each of which contains a file; notes for the user, one line each).

    Raises:
      UserError: the folder does not exist; it has no class, one class or an empty class; two folders have one label; it is
        one level too high or too low; it can be read in several ways; a name cannot be a label; permission is missing.
    """
    root = image_dir
    check_root(root)
    names, notes = without_ours(root)
    loose = count_pictures(root)
    if not names:
        raise layout_advice.no_folders(root, notes)
    if loose:
        notes.append(f"{loose} photos directly in {root} belong to no class and are not read")
    notes += _note_on_sibling(root)
    lists = _subset_folders(root, names)
    if lists:
        folders, more = _classes_in_subsets(root, names, lists, rules, percentages)
        return folders, [*alike_notes(folders), *more, *notes]
    if _has_subsets_in_classes(root, names):
        folders, more = _subsets_in_classes(root, names, rules.legacy_labels, percentages)
        return folders, [*alike_notes(folders), *more, *notes]
    if rules.nested == "none" and not any(has_files(join(root, name)) for name in names):
        raise layout_advice.too_high(root)
    folders = classes_in(root, names, rules)
    check_classes(root, names, folders, rules.nested)
    return folders, [*alike_notes(folders), *notes, *_notes_on_subset_names(root, names)]


def _subset_folders(root: str, names: Sequence[str]) -> dict[str, int]:
    """Returns the folders whose names stand for a subset, with that subset; {} if the folders are classes.

    A class may be called "train" as well; other class folders then lie beside it. If there is no training folder, the classes
    beside test/ are used for training, provided that test/ has folders with the same names.
    """
    lists = subsets_of_names(names)
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
            raise UserError(
                f"the folders {few(same)} in {root} both stand for the {text} subset; put their photos into one of them"
            )
    return lists


def _holds_classes(place: str, classes: Sequence[str]) -> bool:
    """Whether a folder directly contains no files and has folders of some of these classes only."""
    below = sub_folders(place)
    return bool(below) and not has_files(place) and set(map(composed, below)) <= set(map(composed, classes))


def _notes_on_subset_names(root: str, names: Sequence[str]) -> list[str]:
    """Returns notes on classes whose names could stand for a subset, or for a class and a subset."""
    lists = subsets_of_names(names)
    notes = [
        f"{join(root, name)}/ is read as a class called {name!r}, not as the {LISTS[which]} subset, because it contains photos "
        "and other classes lie beside it; if that is wrong, move it elsewhere"
        for name, which in lists.items()
    ]
    parted = [pair for pair in subset_pairs(names) if not lists.keys() & set(pair)]
    if parted:
        pair = " and ".join(f"{name}/" for name in parted[0]) + (
            f", and {len(parted) - 1} more such" if parted[1:] else ""
        )
        notes.append(
            f"read as separate classes although their names differ only in the subset: {pair}; if that is wrong, move "
            f"the photos into {join(root, 'train')}/CLASS/ and {join(root, 'test')}/CLASS/"
        )
    return notes


def _note_on_sibling(root: str) -> list[str]:
    """Returns a note if --image_dir is one of train/ and test/, and the other lies beside it."""
    higher = above(root)
    try:
        lists = subsets_of_names([shown(root), *sub_folders(higher)])
    except UserError:  # no permission
        return []
    own = lists.get(shown(root))
    if own is None:
        return []
    other = {which: name for name, which in lists.items()}.get(TESTING if own == TRAINING else TRAINING)
    if other is None:
        return []
    does = f"to test on {other}/" if own == TRAINING else f"to train on {other}/ instead"
    return [
        f"{other}/ lies beside {shown(root)}/ and is not read; {does}, give the parent folder: --image_dir={higher}"
    ]


def _place_of_subset(place: str) -> str:
    """Returns the folder that holds a subset's class folders; archives often contain training_set/training_set/."""
    below = sub_folders(place)
    if len(below) == 1 and same_subset(os.path.basename(place), below[0]) and not has_files(place):
        return join(place, below[0])
    return place


def _classes_in_subsets(
    root: str, names: Sequence[str], lists: dict[str, int], rules: FolderRules, percentages: Percentages
) -> tuple[list[ClassFolder], list[str]]:
    """Returns the class folders in train/, validation/ and test/, and notes for the user."""
    places = {which: _place_of_subset(join(root, name)) for name, which in lists.items()}
    train = places.get(TRAINING, root)
    labels = [name for name in without_ours(train)[0] if train != root or name not in lists]
    if not labels:
        raise layout_advice.no_classes(root, train)
    if rules.nested == "none" and not any(has_files(join(train, name)) for name in labels):
        raise layout_advice.too_high(root, train)
    found = {TRAINING: classes_in(train, labels, rules, TRAINING)}
    check_classes(train, labels, found[TRAINING], rules.nested)
    notes = [f"the folders {few(lists)} determine the subset of each photo; it is kept"]
    for which in (VALIDATION, TESTING):
        if which in places:
            found[which], more = _held_out_folders(places[which], which, found[TRAINING], rules)
            notes += more
            notes += _check_same_classes(train, found[TRAINING], found[which])
    unread = [name for name in names if name not in lists] if train != root else []
    folders, split = _open_subsets(found, train, percentages)
    return folders, [*notes, *split, *([f"the folders {few(unread)} beside them are not read"] if unread else [])]


def _held_out_folders(
    place: str, which: int, training: Sequence[ClassFolder], rules: FolderRules
) -> tuple[list[ClassFolder], list[str]]:
    """Returns the class folders for validation or testing, and a note on photos there that have no class."""
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
    line = f"{photos} in {at} are in no class folder: not used for {LISTS[which]}; label them afterwards: python -m label_image --image {quote(at)}"
    return folders, [line]


def _has_subsets_in_classes(root: str, names: Sequence[str]) -> bool:
    """Whether each class folder contains only folders that stand for a subset, one of which is training."""
    for name in names:
        below = sub_folders(join(root, name))
        lists = subsets_of_names(below)
        if not below or len(lists) < len(below) or has_files(join(root, name)):
            return False
        if not any(which == TRAINING and has_files(join(root, name, one)) for one, which in lists.items()):
            return False
    return True


def _subsets_in_classes(
    root: str, names: Sequence[str], legacy_labels: bool, percentages: Percentages
) -> tuple[list[ClassFolder], list[str]]:
    """Returns the folders CLASS/train, CLASS/test and so on, and notes for the user."""
    found: dict[int, list[ClassFolder]] = {}
    classes = [class_folder(join(root, name), legacy_labels) for name in names]
    check_labels(classes)
    for whole in classes:
        for name, which in subsets_of_names(sub_folders(whole.path)).items():
            if has_files(join(whole.path, name)):
                folder = replace(whole, path=join(whole.path, name), given=which, part=True)
                found.setdefault(which, []).append(folder)
    if len(names) < 2:
        raise UserError(
            f"cannot train on one class: found only {names[0]!r} in {root}; add a second folder of photos beside it"
        )
    below = dict.fromkeys(os.path.basename(folder.path) for folders in found.values() for folder in folders)
    notes = [f"the folders {few(below)} in each class determine the subset of each photo; it is kept"]
    for which in (VALIDATION, TESTING):
        missing = sorted({one.label for one in found[TRAINING]} - {one.label for one in found.get(which, [])})
        if missing and which in found:
            notes.append(f"no photos for {LISTS[which]} of {', '.join(missing)}")
    folders, split = _open_subsets(found, root, percentages)
    return folders, [*notes, *split]


def _open_subsets(
    found: dict[int, list[ClassFolder]], train: str, percentages: Percentages
) -> tuple[list[ClassFolder], list[str]]:
    """Returns all folders, with a note if a subset without a folder takes part of the training photos."""
    empty = [which for which in (VALIDATION, TESTING) if not found.get(which)]
    percent = {VALIDATION: percentages.validation, TESTING: percentages.testing}
    notes = [
        f"no folder has photos for {LISTS[which]}: {percent[which]}% of {train} is used instead"
        for which in empty
        if percent[which]
    ]
    if empty:
        found = {**found, TRAINING: [replace(folder, given=None) for folder in found[TRAINING]]}
    return [folder for which in sorted(found) for folder in found[which]], notes


def _check_same_classes(train: str, training: Sequence[ClassFolder], others: Sequence[ClassFolder]) -> list[str]:
    """Refuses a class that has photos in another subset and none for training; returns a note on the reverse case."""
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
