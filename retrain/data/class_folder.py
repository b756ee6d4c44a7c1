"""Finds the class folders in a folder: leaves out our own outputs, follows --nested, and checks the names."""

# Paths are strings here, as typed: --legacy_split hashes them, and Path would drop a "./".
# ruff: noqa: PTH118, PTH119

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from os.path import join

from label_image.errors import UserError
from retrain.data import layout_advice
from retrain.data.comparable_names import alike, composed, seen
from retrain.data.directory_listing import count_pictures, has_files, sub_folders
from retrain.data.own_outputs import is_sorted, is_unsure, shows_a_class, what_is_ours
from retrain.data.subset_names import subset_of_name

_SHOWN = 6  # names listed in a message
_NEST = 8  # levels of folders below a class that --nested=parts reads


@dataclass(frozen=True)
class FolderRules:
    """How folders are read as classes."""

    nested: str = "none"  # "none", "parts" or "groups": the meaning of folders below the class folders
    legacy_labels: bool = False  # labels in the original's spelling


@dataclass(frozen=True)
class ClassFolder:
    """One folder of photos of one class."""

    path: str  # image_dir as typed, then names: --legacy_split hashes what was typed
    label: str
    given: int | None = None  # the subset, if a train/, validation/ or test/ folder determines it
    part: bool = False  # one of several folders of the class, which may have no photos

    @property
    def name(self) -> str:
        """The folder's own name."""
        return os.path.basename(self.path)


def legacy_label(name: str) -> str:
    """Converts a folder's name to a label in the original's spelling.

    >>> legacy_label("Rose_Red-2")
    'rose red 2'
    """
    return re.sub(r"[^a-z0-9]+", " ", name.lower())


def without_ours(root: str) -> tuple[list[str], list[str]]:
    """Returns the names of the folders in a folder without those that this tool wrote, and notes about the omitted ones."""
    names, ours, notes, deep = [], [], [], []
    for name in sub_folders(root):
        if shows_a_class(join(root, name)) and not is_unsure(name):
            names.append(name)
            continue
        what = what_is_ours(join(root, name))
        if is_unsure(name):
            what = "photos that label_image could not label with confidence"
        if what:
            ours.append(f"{join(root, name)}/ contains {what}")
        else:
            names.append(name)
            deep.append(name)
    if ours:
        they = "this folder is not a class and is" if len(ours) == 1 else "these folders are not classes and are"
        notes.append(f"{', '.join(ours)}: {they} not read")
    for name in deep:
        if subset_of_name(name) is not None or has_files(join(root, name)):
            continue
        others = [other for other in names if other != name]
        if is_sorted(join(root, name), others):
            names = others
            notes.append(
                f"{join(root, name)}/ contains folders with the same names as the classes here, as label_image --sort_into "
                "makes them: it is not read; move its photos into the classes to train on them"
            )
    return names, notes


def classes_in(place: str, names: Iterable[str], rules: FolderRules, given: int | None = None) -> list[ClassFolder]:
    """Returns the class folders in a folder; --nested determines the meaning of folders below them."""
    legacy = rules.legacy_labels
    if rules.nested == "groups":
        below = [join(place, group, name) for group in names for name in without_ours(join(place, group))[0]]
        return [replace(class_folder(path, legacy, given), part=True) for path in below if has_files(path)]
    if rules.nested == "parts":
        return [folder for name in names for folder in _with_parts(class_folder(join(place, name), legacy, given))]
    return [class_folder(join(place, name), legacy, given) for name in names]


def _with_parts(folder: ClassFolder, depth: int = _NEST) -> list[ClassFolder]:
    """Returns a class folder if it has files, and all folders below it that have files."""
    found = [replace(folder, part=True)] if has_files(folder.path) else []
    if depth:
        for name in without_ours(folder.path)[0]:
            found += _with_parts(replace(folder, path=join(folder.path, name)), depth - 1)
    return found


def class_folder(path: str, legacy_labels: bool, given: int | None = None) -> ClassFolder:
    """Returns the class folder at a path, with its label.

    Args:
      path: image_dir as typed, followed by folder names.
      legacy_labels: whether the label has the original's spelling.
      given: the subset that a parent folder determines.

    Raises:
      UserError: its name cannot be a label.
    """
    name = composed(os.path.basename(path))
    label = legacy_label(name) if legacy_labels else name
    try:
        label.encode()
    except UnicodeEncodeError:
        raise UserError(f"cannot use the folder {os.fsencode(path)!r}: its name is not UTF-8; rename it") from None
    if "\n" in label or "\r" in label or not label.strip():
        raise UserError(
            f"cannot use the folder {path!r}: its label would be {label!r}, and a labels file has one name per line; rename it"
        )
    return ClassFolder(path, label, given)


def check_classes(root: str, names: Sequence[str], folders: Sequence[ClassFolder], nested: str) -> None:
    """Refuses two folders with one label, an empty folder and a single class, before a photo is read."""
    if nested == "none":
        check_labels(folders)
        empty = [folder for folder in folders if not has_files(folder.path)]
        if 2 * len(empty) > len(folders) and len(empty) > 1:
            raise layout_advice.too_high(root, some="most of ")
        for folder in empty:
            raise layout_advice.no_photos(root, folder.name, folder.label, names)
        if not any(shows_a_class(folder.path) for folder in folders) and (error := layout_advice.deeper(root)):
            raise error
    else:  # folders with equal labels form one class; labels that only look equal are refused
        check_labels(list({folder.label: folder for folder in folders}.values()))
    labels = dict.fromkeys(folder.label for folder in folders)
    if nested != "none" and len(labels) < 2:
        raise UserError(
            f"cannot train with --nested={nested} on --image_dir={root}: found {layout_advice.found_classes(labels)}; "
            f"{'leave --nested out' if not labels else 'two classes are needed'}"
        )
    if len(labels) < 2:
        if not count_pictures(folders[0].path):  # this folder has no photos; they may be elsewhere
            raise layout_advice.too_high(root, some="some of ")
        raise UserError(
            f"cannot train on one class: found only {folders[0].label!r} in {root}; add a second folder of photos beside it"
        )


def check_labels(folders: Sequence[ClassFolder]) -> None:
    """Refuses two folders whose labels are equal or look equal.

    Raises:
      UserError: two folders conflict; the message names both.
    """
    taken: dict[str, ClassFolder] = {}
    for folder in folders:
        other = taken.setdefault(seen(folder.label), folder)
        if other is folder:
            continue
        if seen(folder.name) != seen(other.name):
            raise UserError(
                f"two folders have the label {folder.label!r}: {other.path} and {folder.path}; rename one, or leave out --legacy_labels"
            )
        raise UserError(
            f"two folders have names that look the same: {other.path} and {folder.path} (written {other.name!a} and "
            f"{folder.name!a}); if they are one class, move the photos into one of them; otherwise rename one"
        )


def alike_notes(folders: Sequence[ClassFolder]) -> list[str]:
    """Returns a note on classes whose names are easily confused; each remains a separate class."""
    groups = alike(dict.fromkeys(folder.label for folder in folders))
    if not groups:
        return []
    named = "; ".join(" and ".join(map(ascii, group)) for group in groups[:_SHOWN])
    more = f"; and {len(groups) - _SHOWN} more" if len(groups) > _SHOWN else ""
    return [
        f"names that look alike are separate classes: {named}{more}; if they should be one class, move the photos into one folder"
    ]
