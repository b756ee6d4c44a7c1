"""Explains why a folder cannot be used for training, and shows each way to read it: the classes, the photos and the flag to add.

It never guesses: if several readings are possible, it shows each of them with its classes, and the user decides.
"""

# Paths are strings here, as in `class_folder`.
# ruff: noqa: PTH118

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from os.path import join

from label_image.errors import LinesError, UserError
from retrain.data.directory_listing import above, entries, few, is_dir, is_picture, shown, sub_folders
from retrain.data.folder_tree import Node, Tree, look
from retrain.data.other_files import files, hint
from retrain.data.own_outputs import shows_a_class
from retrain.data.subset_names import same_subset, subset_of_name, subsets_of_names
from retrain.types import TESTING, TRAINING, VALIDATION

_SHOWN = 6  # names listed in a message
_MOST_SIBLINGS = 500  # folders beside --image_dir that are searched
_PLACES = 5  # folders that are suggested as --image_dir
_PART = re.compile(
    r"(part|batch|set|session|cam|camera|day|folder|dir|subset|chunk|seq|video|clip|frames?|imgs?|images?|photos?|pictures?|"
    r"dcim|train|test|val)?[\W_]*[\d\W_]*[a-z]?",
    re.IGNORECASE,
)  # typical names of the parts of one class, which separate classes seldom have


def no_folders(root: str, notes: Sequence[str]) -> UserError:
    """Returns the error for a folder that has no subfolders, or only our own outputs."""
    pictures = [name for name in files(root) if is_picture(name)]
    if pictures:
        return _too_low(root, pictures)
    what = "it contains only folders that this tool wrote" if notes else "it has no sub-folders"
    way = hint(root, root)
    return LinesError(
        f"no photos in --image_dir={root}: {what}{f'; {way}' if way else ''}",
        f"found:     {_listed(root)}",
        f"expected:  {shown(root)}/CLASS/photo.jpg",
    )


def no_classes(root: str, train: str) -> UserError:
    """Returns the error for a training folder without class folders."""
    way = hint(train, train) or hint(root, train)
    photos = sum(map(is_picture, files(train)))
    what = f"{photos} photos are directly in {train}, so their classes are unknown" if photos else f"{train} is empty"
    return LinesError(
        f"cannot train on --image_dir={root}: {train} has no class folders; {what}{f'; {way}' if way else ''}",
        f"found:     {_listed(train)}",
        f"expected:  {shown(train)}/CLASS/photo.jpg",
    )


def no_photos(root: str, name: str, label: str, names: Sequence[str]) -> UserError:
    """Returns the error for one class folder that directly contains no file, while others do."""
    path = join(root, name)
    where = f"cannot train the class {label!r}: no photo in {path}"
    tree = look(path, name)
    below = tree.root.with_photos
    if not below:
        if tree.root.folders:
            return LinesError(
                f"{where} or below it; add photos or remove the folder (each folder in {root} is a class)"
            )
        return LinesError(f"{where}; add photos or remove the folder (each folder in {root} is a class)")
    if subset_of_name(name) in (VALIDATION, TESTING):
        return LinesError(
            f"{where} itself, only folders ({few(node.name for node in below)}): its name stands for a test or validation set, but "
            f"there are no training photos of the same classes beside it; put the training photos into {join(root, 'train')}/CLASS/"
        )
    same = [node.name for node in below if node.name in names]
    places = _possible_roots(tree.root)
    seen = f"found:     {name}/{below[0].name}/", f"expected:  {name}/photo.jpg"
    if same or places:
        held = ", ".join(f"{node.name} ({node.deep} photos)" for node in below[:_SHOWN])
        does = "move their photos into the classes of the same name, or " if same else ""
        return LinesError(
            f"{where} itself, only other folders: {held}; {does}move {name}/ out of {root}; or, if all of them are parts of the "
            f"class {label!r}, add --nested=parts",
            *seen,
            *([] if same else places),
        )
    return LinesError(
        f"{where} itself, only folders ({few(node.name for node in below)}) with {tree.root.deep} photos; move their photos up one "
        f"level, or add --nested=parts, which also reads the photos in folders below a class folder",
        *seen,
    )


def too_high(root: str, place: str = "", some: str = "") -> UserError:
    """Returns the error for a folder in which no class folder, or only a few, directly contain photos.

    Args:
      root: --image_dir.
      place: the training folder, if the class folders should be there instead of in `root`.
      some: "most of " if some class folders do contain photos.
    """
    tree = look(place or root, shown(place or root))
    top = tree.root
    if not top.deep:
        return LinesError(
            f"no photos in --image_dir={root}: {_count(tree.folders, 'folder')} and {_count(tree.files, 'file')} were searched{_tail(tree)}",
            f"found:     {_drawn(top)}",
            f"expected:  {shown(root)}/CLASS/photo.jpg",
        )
    while len(top.with_photos) == 1 and not top.photos and not _classes_of(top):
        top = top.with_photos[0]
    if not place and top is not tree.root and _classes_of(top):
        return LinesError(
            f"--image_dir={root} is one level too high: its folders contain folders, not photos; give --image_dir={top.path}",
            f"found:     {shown(root)}/{os.path.relpath(top.path, root)}/{{{few(node.name for node in top.with_photos)}}}",
            f"expected:  {shown(root)}/CLASS/photo.jpg",
            *_bound(tree),
        )
    readings = _readings(tree, top)
    if not readings:
        return LinesError(
            f"cannot find two classes in --image_dir={root}: {top.deep} photos, all below {top.path}; a class is a folder that contains photos",
            f"found:     {_drawn(top)}",
            f"expected:  {shown(root)}/CLASS/photo.jpg",
            *_bound(tree),
        )
    return LinesError(
        f"cannot tell which folders of --image_dir={root} are the classes: {some}its folders contain folders, not photos",
        f"found:     {_drawn(top)}, {top.deep} photos",
        *readings,
        *_bound(tree),
    )


def deeper(root: str) -> UserError | None:
    """Returns the error if the class folders contain only other files and photos lie below them; otherwise None."""
    tops = look(root, shown(root)).root.folders
    return too_high(root) if any(node.deep for node in tops) and not any(node.photos for node in tops) else None


def found_classes(labels: Iterable[str] | Mapping[str, int]) -> str:
    """Describes the classes that were found, with their numbers of photos if these are known.

    >>> found_classes([]), found_classes({"cat": 8, "dog": 1})
    ('no class', '2 classes: cat (8 photos), dog (1)')
    """
    counts = dict(labels) if isinstance(labels, Mapping) else dict.fromkeys(labels, 0)
    if not counts:
        return "no class"
    words = [
        f"{label} ({count}{' photos' if not place else ''})" if count else label
        for place, (label, count) in enumerate(list(counts.items())[:_SHOWN])
    ]
    more = f", and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
    return f"{len(counts)} class{'es' if len(counts) > 1 else ''}: {', '.join(words)}{more}"


def _readings(tree: Tree, top: Node) -> list[str]:
    """Returns a line for each way to read the folders of `top`."""
    tops = top.with_photos
    given = "" if top is tree.root else f"--image_dir={top.path} "
    below = [node for kid in tops for node in kid.with_photos]
    lists = any(subsets_of_names(node.name for node in level) for level in (tops, below))
    lines = []
    level = all(not kid.photos for kid in tops) and all(node.photos for node in below)
    if len(tops) > 1 and not lists and not tree.cut and _depth(top) <= 4:
        classes = {kid.name: kid.deep for kid in tops}
        lines.append(f"- {found_classes(classes)}, if the folders below are parts of a class: {given}--nested=parts")
    groups: dict[str, int] = {}
    for node in below:
        groups[node.name] = groups.get(node.name, 0) + node.deep
    if level and not lists and not tree.cut and len(groups) > 1:
        lines.append(f"- {found_classes(groups)}, if the folders above are groups of classes: {given}--nested=groups")
    alike = len(groups) < len(below) or all(_PART.fullmatch(name) for name in groups)
    if not level or lists or not (alike or any(len(kid.with_photos) < 2 for kid in tops)):
        lines += _possible_roots(*tops)
    return lines


def _possible_roots(*nodes: Node) -> list[str]:
    """Returns a line for each folder, among these and below, that could be --image_dir itself, the largest first."""
    found = []
    waiting = list(nodes)
    while waiting:
        node = waiting.pop(0)
        classes = _classes_of(node)
        if classes and subset_of_name(node.name) not in (VALIDATION, TESTING):
            found.append((node, classes))
        elif not classes:
            waiting += node.folders
    found.sort(key=lambda one: -one[0].deep)
    lines = [
        f"- {found_classes(classes)}, if only this folder is meant: --image_dir={node.path}"
        for node, classes in found[:_PLACES]
    ]
    return [*lines, *([f"- and {len(found) - _PLACES} more folders"] if len(found) > _PLACES else [])]


def _classes_of(node: Node) -> dict[str, int]:
    """Returns the classes, with photo counts, that a folder would have as --image_dir; {} if it would have none."""
    kids = node.with_photos
    lists = subsets_of_names(kid.name for kid in kids)
    training = [kid for kid in kids if lists.get(kid.name) == TRAINING]
    if len(training) == 1:
        inside = training[0]
        if len(inside.with_photos) == 1 and same_subset(inside.name, inside.with_photos[0].name):
            inside = inside.with_photos[0]
        if len([kid for kid in inside.folders if kid.photos]) > 1:
            return {kid.name: kid.deep for kid in inside.with_photos}
    if kids and all(not kid.photos and _has_only_subsets(kid) for kid in kids):
        return {kid.name: kid.deep for kid in kids} if len(kids) > 1 else {}
    if len(lists) == len(kids):
        return {}
    classes = {kid.name: kid.photos for kid in kids if kid.photos}
    return classes if len(classes) > 1 and 2 * len(classes) >= len(kids) else {}


def _has_only_subsets(node: Node) -> bool:
    lists = subsets_of_names(kid.name for kid in node.with_photos)
    return (
        TRAINING in lists.values()
        and len(lists) == len(node.with_photos)
        and all(kid.photos for kid in node.with_photos)
    )


def _depth(node: Node) -> int:
    """Returns the number of levels of folders with photos, counting the folder itself."""
    return 1 + max((_depth(kid) for kid in node.with_photos), default=0)


def _too_low(root: str, loose: Sequence[str]) -> UserError:
    """Returns the error for a folder of photos without class folders."""
    higher = above(root)
    beside = _classes_in(higher)
    seen = f"found:     {_listed(root)}"
    if len(beside) > 1 and len(subsets_of_names(beside)) < len(beside):
        return LinesError(
            f"--image_dir={root} is one level too low: it contains photos, but no class folders; give the parent folder: --image_dir={higher}",
            seen,
            f"expected:  {shown(higher)}/{shown(root)}/{loose[0]}",
        )
    way = hint(root, root) or hint(higher, root)
    return LinesError(
        f"--image_dir={root} directly contains {len(loose)} photos, and no class folders; make a folder for each class in it and "
        f"move its photos there{f'; or, {way}' if way else ''}",
        seen,
        f"expected:  {shown(root)}/CLASS/{loose[0]}",
    )


def _classes_in(folder: str) -> list[str]:
    """Returns the folders with photos among the first _MOST_SIBLINGS folders of a folder."""
    found = []
    try:
        for name in sub_folders(folder)[:_MOST_SIBLINGS]:
            with contextlib.suppress(UserError):  # a folder without read permission is not a class
                if shows_a_class(join(folder, name)):
                    found.append(name)
    except UserError:
        pass
    return found


def _listed(folder: str) -> str:
    """Lists the entries of a folder in one line."""
    names = [entry.name + "/" * is_dir(entry) for entry in entries(folder)]
    words = ", ".join(names[:_SHOWN]) + (f", ... ({len(names)} in total)" if len(names) > _SHOWN else "")
    return f"{shown(folder)}/{{{words}}}" if names else f"{shown(folder)}/ (empty)"


def _drawn(node: Node) -> str:
    """Draws a folder and two levels of folders below it in one line; long lists of names are cut."""
    kids = node.with_photos or node.folders
    below = dict.fromkeys(kid.name for one in kids for kid in one.with_photos)
    text = f"{node.name}/"
    for level in ([kid.name for kid in kids], list(below)):
        text += f"{{{few(level)}}}/" if len(level) > 1 else f"{level[0]}/" if level else ""
    return text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _tail(tree: Tree) -> str:
    return f" {tree.bound}" if tree.cut else ""


def _bound(tree: Tree) -> list[str]:
    return [tree.bound] if tree.cut else []
