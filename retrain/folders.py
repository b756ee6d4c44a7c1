"""--image_dir in, class folders out: which folder is which label and list; where that can not be told, the tree that is seen.

Only names are read here; `scan` reads the photos.
"""

# Paths are text here, as typed: --legacy_split hashes them, and Path would drop a "./".
# ruff: noqa: PTH116, PTH118, PTH119, PTH120

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from os.path import join
from pathlib import Path

from label_image.errors import UserError
from retrain.listing import entries, has_files, is_dir, sub_folders
from retrain.nouns import LISTS, TESTING, TRAINING, VALIDATION
from retrain.plan import Plan

_LIST_FOLDERS = {
    **dict.fromkeys(("train", "training"), TRAINING),
    **dict.fromkeys(("val", "valid", "validation"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TESTING),
}
_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic")
_SHOWN = 6  # names in a tree
_DEPTH = 4  # levels below --image_dir that are searched for class folders when it is too high


@dataclass(frozen=True)
class ClassFolder:
    """One folder of photos of one class."""

    path: str  # image_dir as typed, then names: --legacy_split hashes what was typed
    label: str
    given: int | None = None  # the list, where a train/, validation/ or test/ folder says it

    @property
    def name(self) -> str:
        """The folder's own name."""
        return os.path.basename(self.path)


def class_folders(plan: Plan) -> tuple[list[ClassFolder], list[str]]:
    """Finds the folders of photos.

    Args:
      plan: image_dir, legacy_labels, percentages.

    Returns:
      (the class folders, each with a file in it; what the user should know, a line each).

    Raises:
      UserError: no such folder, no class, one class, an empty class, two folders with one label, a folder one level too
        high or too low, a name that can not be a label, no permission.
    """
    root = plan.image_dir
    _check_root(root)
    names = sub_folders(root)
    loose = _pictures(root)
    if not names:
        raise _too_low(root, loose)
    notes = [f"{len(loose)} photos in {root} itself belong to no class and are not read"] if loose else []
    lists = _lists(root, names)
    if lists:
        folders, more = _in_lists(root, names, lists, plan)
        return folders, [*more, *notes]
    _check_level(root, names)
    folders = [_class_folder(join(root, name), plan) for name in names]
    _check(root, folders)
    return folders, notes


def legacy_label(name: str) -> str:
    """A folder's name as the original wrote it.

    >>> legacy_label("Rose_Red-2")
    'rose red 2'
    """
    return re.sub(r"[^a-z0-9]+", " ", name.lower())


def _check_root(root: str) -> None:
    try:
        mode = os.stat(root).st_mode
    except (FileNotFoundError, NotADirectoryError):
        hint = "; the shell did not replace ~: write $HOME" if root.startswith("~") else ""
        raise UserError(f"cannot read --image_dir={root}: no such folder (looked in {Path.cwd()}){hint}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read --image_dir={root!r}: {getattr(error, 'strerror', error)}") from None
    if not stat.S_ISDIR(mode):
        raise UserError(f"cannot read --image_dir={root}: it is a file; unpack it, and give the folder of photos")


def _class_folder(path: str, plan: Plan, given: int | None = None) -> ClassFolder:
    folder = ClassFolder(path, os.path.basename(path), given)
    label = legacy_label(folder.name) if plan.legacy_labels else folder.name
    try:
        label.encode()
    except UnicodeEncodeError:
        raise UserError(f"cannot use the folder {os.fsencode(path)!r}: its name is not UTF-8; rename it") from None
    if "\n" in label or "\r" in label or not label.strip():
        raise UserError(
            f"cannot use the folder {path!r}: its label would be {label!r}, and a labels file has one name a line; rename it"
        )
    return ClassFolder(path, label, given)


def _check(root: str, folders: Sequence[ClassFolder]) -> None:
    """Refuses two folders with one label, an empty folder and a single class, before a photo is read."""
    _check_labels(folders)
    for folder in folders:
        if has_files(folder.path):
            continue
        where = f"cannot train the class {folder.label!r}: no photo in {folder.path}"
        below = sub_folders(folder.path)
        if below:
            raise UserError(
                f"{where} itself, only folders ({_few(below)}); move their photos up one level\n"
                f"seen:      {folder.name}/{below[0]}/\nexpected:  {folder.name}/photo.jpg"
            )
        raise UserError(f"{where}; add photos or remove the folder (each folder in {root} is a class)")
    if len(folders) < 2:
        raise UserError(
            f"cannot train on one class: found only {folders[0].label!r} in {root}; add a second folder of photos beside it"
        )


def _check_labels(folders: Sequence[ClassFolder]) -> None:
    taken: dict[str, ClassFolder] = {}
    for folder in folders:
        other = taken.setdefault(folder.label, folder)
        if other is not folder:
            raise UserError(
                f"two folders have the label {folder.label!r}: {other.path} and {folder.path}; rename one, or leave out --legacy_labels"
            )


def _lists(root: str, names: Sequence[str]) -> dict[str, int]:
    """The folders that name a list -> the list; none where the folders are classes.

    A class may be called "train" too: then other classes stand beside it.
    """
    lists = {name: _LIST_FOLDERS[name.lower()] for name in names if name.lower() in _LIST_FOLDERS}
    training = [name for name, which in lists.items() if which == TRAINING]
    if not training:
        return {}
    if len(lists) < len(names) and (len(lists) == 1 or not sub_folders(join(root, training[0]))):
        return {}
    for which, text in enumerate(LISTS):
        same = [name for name in lists if lists[name] == which]
        if len(same) > 1:
            raise UserError(f"the folders {_few(same)} in {root} both name the {text} list; put their photos into one")
    return lists


def _in_lists(
    root: str, names: Sequence[str], lists: dict[str, int], plan: Plan
) -> tuple[list[ClassFolder], list[str]]:
    """The class folders in train/, validation/ and test/."""
    found: dict[int, list[ClassFolder]] = {}
    for name, which in lists.items():
        place = join(root, name)
        below = [label for label in sub_folders(place) if which == TRAINING or has_files(join(place, label))]
        found[which] = [_class_folder(join(place, label), plan, which) for label in below]
    train = join(root, next(name for name, which in lists.items() if which == TRAINING))
    if not found[TRAINING]:
        raise UserError(
            f"cannot train on --image_dir={root}: {train} has no folder a class\n"
            f"seen:      {_tree(train)}\nexpected:  {_shown(train)}/CLASS/photo.jpg"
        )
    _check(train, found[TRAINING])
    notes = [f"the folders {_few(lists)} say which list a photo belongs to; that is kept"]
    for which in (VALIDATION, TESTING):
        notes += _compared(train, found[TRAINING], found.get(which, []))
    empty = [which for which in (VALIDATION, TESTING) if not found.get(which)]
    shares = {VALIDATION: plan.validation_percentage, TESTING: plan.testing_percentage}
    notes += [
        f"no folder has photos for {LISTS[which]}: {shares[which]} % of {train} are dealt to it"
        for which in empty
        if shares[which]
    ]
    unread = [name for name in names if name not in lists]
    notes += [f"the folders {_few(unread)} beside them are not read"] if unread else []
    if empty:
        found[TRAINING] = [replace(folder, given=None) for folder in found[TRAINING]]
    return [folder for which in sorted(found) for folder in found[which]], notes


def _compared(train: str, training: Sequence[ClassFolder], others: Sequence[ClassFolder]) -> list[str]:
    """Refuses a class that has photos for another list and none for training; notes the reverse."""
    if not others:
        return []
    _check_labels(others)
    place = os.path.dirname(others[0].path)
    labels = {folder.label for folder in training}
    for folder in others:
        if folder.label not in labels:
            raise UserError(
                f"cannot train the class {folder.label!r}: its photos are in {folder.path} and none in {train}; add some, or remove it"
            )
    missing = sorted(labels - {folder.label for folder in others})
    return [f"{place} has no photos of {', '.join(missing)}"] if missing else []


def _check_level(root: str, names: Sequence[str]) -> None:
    """Recognises a folder one level too high, or more: no file in any class folder, but class folders further down."""
    folders = [join(root, name) for name in names]
    if any(has_files(folder) for folder in folders):
        return
    below = _folder_of_classes(folders, _DEPTH)
    if below is None:
        return
    above = os.path.dirname(below)
    if os.path.basename(below).lower() in _LIST_FOLDERS and above != root:
        below = above
    raise UserError(
        f"--image_dir={root} is one level too high: its folders hold folders, not photos; give --image_dir={below}\n"
        f"seen:      {_shown(root)}/{os.path.relpath(below, root)}/{{{_few(sub_folders(below))}}}\n"
        f"expected:  {_shown(root)}/CLASS/photo.jpg"
    )


def _folder_of_classes(folders: Sequence[str], depth: int) -> str | None:
    """The first folder that has folders with files in them, level by level."""
    for folder in folders:
        if any(has_files(join(folder, name)) for name in sub_folders(folder)):
            return folder
    below = [join(folder, name) for folder in folders for name in sub_folders(folder)]
    return _folder_of_classes(below, depth - 1) if below and depth > 1 else None


def _too_low(root: str, loose: Sequence[str]) -> UserError:
    """What to say of a folder that has no folders."""
    if not loose:
        return UserError(
            f"no photos in --image_dir={root}: it has no sub-folders\n"
            f"seen:      {_tree(root)}\nexpected:  {_shown(root)}/CLASS/photo.jpg"
        )
    typed = root.rstrip(os.sep)
    goes_up = os.path.basename(typed) in ("", ".", "..")
    above = join(typed or os.sep, "..") if goes_up else os.path.dirname(typed) or "."
    return UserError(
        f"--image_dir={root} is one level too low: it holds photos itself, and no folder a class; give the folder above: --image_dir={above}\n"
        f"seen:      {_tree(root)}\nexpected:  {_shown(above)}/{_shown(root)}/{loose[0]}"
    )


def _pictures(folder: str) -> list[str]:
    """Files that lie in a folder itself and are named as pictures are."""
    return [
        entry.name for entry in entries(folder) if entry.name.lower().endswith(_PICTURE_SUFFIXES) and not is_dir(entry)
    ]


def _shown(folder: str) -> str:
    """A folder's name, also where it was typed as a dot."""
    return os.path.basename(os.path.realpath(folder))


def _tree(folder: str) -> str:
    """What lies in a folder, in one line."""
    names = [entry.name + "/" * is_dir(entry) for entry in entries(folder)]
    shown = ", ".join(names[:_SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > _SHOWN else "")
    return f"{_shown(folder)}/{{{shown}}}" if names else f"{_shown(folder)}/ (empty)"


def _few(folders: Iterable[str]) -> str:
    names = [f"{name}/" for name in folders]
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
