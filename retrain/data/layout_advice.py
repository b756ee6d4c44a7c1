"""Says what a folder that cannot be trained on holds, and what each way to read it would give: classes, photos, what to type.

No folder is named blindly: where several readings are possible each is shown with its classes, and the user decides.
"""

# Paths are text here, as in `folders`.
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
from retrain.data.subset_names import list_of_name, lists_of_names, same_list
from retrain.types import TESTING, TRAINING, VALIDATION

_SHOWN = 6  # names in a line
_LOOKED = 500  # folders beside --image_dir that are looked into
_PLACES = 5  # folders that are named as possible --image_dir
_PART = re.compile(
    r"(part|batch|set|session|cam|camera|day|folder|dir|subset|chunk|seq|video|clip|frames?|imgs?|images?|photos?|pictures?|"
    r"dcim|train|test|val)?[\W_]*[\d\W_]*[a-z]?",
    re.IGNORECASE,
)  # what parts of one class are called, classes of their own seldom


def no_folders(root: str, notes: Sequence[str]) -> UserError:
    """What to say of a folder that has no folders, or none but ours."""
    pictures = [name for name in files(root) if is_picture(name)]
    if pictures:
        return _too_low(root, pictures)
    what = "it holds nothing but what this tool wrote" if notes else "it has no sub-folders"
    way = hint(root, root)
    return LinesError(
        f"no photos in --image_dir={root}: {what}{f'; {way}' if way else ''}",
        f"seen:      {_listed(root)}",
        f"expected:  {shown(root)}/CLASS/photo.jpg",
    )


def no_classes(root: str, train: str) -> UserError:
    """What to say of a training folder without class folders."""
    way = hint(train, train) or hint(root, train)
    photos = sum(map(is_picture, files(train)))
    what = f"{photos} photos lie in {train} itself, and nothing says their classes" if photos else f"{train} is empty"
    return LinesError(
        f"cannot train on --image_dir={root}: {train} has no folder a class; {what}{f'; {way}' if way else ''}",
        f"seen:      {_listed(train)}",
        f"expected:  {shown(train)}/CLASS/photo.jpg",
    )


def no_photos(root: str, name: str, label: str, names: Sequence[str]) -> UserError:
    """What to say of one class folder that has no file itself, while others have."""
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
    if list_of_name(name) in (VALIDATION, TESTING):
        return LinesError(
            f"{where} itself, only folders ({few(node.name for node in below)}): its name says that it is a test or validation set, and "
            f"there is nothing of the same classes to train on beside it; put the photos for training into {join(root, 'train')}/CLASS/"
        )
    same = [node.name for node in below if node.name in names]
    places = _places(tree.root)
    seen = f"seen:      {name}/{below[0].name}/", f"expected:  {name}/photo.jpg"
    if same or places:
        held = ", ".join(f"{node.name} ({node.deep} photos)" for node in below[:_SHOWN])
        does = "move their photos into the classes of the same name, or " if same else ""
        return LinesError(
            f"{where} itself, only folders of its own: {held}; {does}move {name}/ out of {root}; or, if all of them are the "
            f"class {label!r}, add --nested=parts",
            *seen,
            *([] if same else places),
        )
    return LinesError(
        f"{where} itself, only folders ({few(node.name for node in below)}) with {tree.root.deep} photos; move their photos up one "
        f"level, or add --nested=parts, which reads the photos below a class folder too",
        *seen,
    )


def too_high(root: str, place: str = "", some: str = "") -> UserError:
    """What to say where no class folder holds photos itself, or few do.

    Args:
      root: --image_dir.
      place: where its class folders should be, if not there: its training folder.
      some: "most of " where a class folder does hold photos.
    """
    tree = look(place or root, shown(place or root))
    top = tree.root
    if not top.deep:
        return LinesError(
            f"no photos in --image_dir={root}: {_count(tree.folders, 'folder')} and {_count(tree.files, 'file')} were looked at{_tail(tree)}",
            f"seen:      {_drawn(top)}",
            f"expected:  {shown(root)}/CLASS/photo.jpg",
        )
    while len(top.with_photos) == 1 and not top.photos and not _works(top):
        top = top.with_photos[0]
    if not place and top is not tree.root and _works(top):
        return LinesError(
            f"--image_dir={root} is one level too high: its folders hold folders, not photos; give --image_dir={top.path}",
            f"seen:      {shown(root)}/{os.path.relpath(top.path, root)}/{{{few(node.name for node in top.with_photos)}}}",
            f"expected:  {shown(root)}/CLASS/photo.jpg",
            *_bound(tree),
        )
    readings = _readings(tree, top)
    if not readings:
        return LinesError(
            f"cannot find two classes in --image_dir={root}: {top.deep} photos, all below {top.path}; a class is a folder with photos in it",
            f"seen:      {_drawn(top)}",
            f"expected:  {shown(root)}/CLASS/photo.jpg",
            *_bound(tree),
        )
    return LinesError(
        f"cannot tell which folders of --image_dir={root} are the classes: {some}its folders hold folders, not photos",
        f"seen:      {_drawn(top)}, {top.deep} photos",
        *readings,
        *_bound(tree),
    )


def deeper(root: str) -> UserError | None:
    """What to say where class folders hold files, none of them named as a picture, and photos lie below; None where none do."""
    tops = look(root, shown(root)).root.folders
    return too_high(root) if any(node.deep for node in tops) and not any(node.photos for node in tops) else None


def found_classes(labels: Iterable[str] | Mapping[str, int]) -> str:
    """What classes there are, in words, with their photos where these are known.

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
    """A line for each way to read the folders of `top`."""
    tops = top.with_photos
    given = "" if top is tree.root else f"--image_dir={top.path} "
    below = [node for kid in tops for node in kid.with_photos]
    lists = any(lists_of_names(node.name for node in level) for level in (tops, below))
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
        lines += _places(*tops)
    return lines


def _places(*nodes: Node) -> list[str]:
    """A line for each folder, of these and below, that would do as --image_dir by itself, those with the most photos first."""
    found = []
    waiting = list(nodes)
    while waiting:
        node = waiting.pop(0)
        classes = _works(node)
        if classes and list_of_name(node.name) not in (VALIDATION, TESTING):
            found.append((node, classes))
        elif not classes:
            waiting += node.folders
    found.sort(key=lambda one: -one[0].deep)
    lines = [
        f"- {found_classes(classes)}, if only this folder is meant: --image_dir={node.path}"
        for node, classes in found[:_PLACES]
    ]
    return [*lines, *([f"- and {len(found) - _PLACES} more folders"] if len(found) > _PLACES else [])]


def _works(node: Node) -> dict[str, int]:
    """The classes that a folder would give as --image_dir, with their photos; {} where it would give none."""
    kids = node.with_photos
    lists = lists_of_names(kid.name for kid in kids)
    training = [kid for kid in kids if lists.get(kid.name) == TRAINING]
    if len(training) == 1:
        inside = training[0]
        if len(inside.with_photos) == 1 and same_list(inside.name, inside.with_photos[0].name):
            inside = inside.with_photos[0]
        if len([kid for kid in inside.folders if kid.photos]) > 1:
            return {kid.name: kid.deep for kid in inside.with_photos}
    if kids and all(not kid.photos and _only_lists(kid) for kid in kids):
        return {kid.name: kid.deep for kid in kids} if len(kids) > 1 else {}
    if len(lists) == len(kids):
        return {}
    classes = {kid.name: kid.photos for kid in kids if kid.photos}
    return classes if len(classes) > 1 and 2 * len(classes) >= len(kids) else {}


def _only_lists(node: Node) -> bool:
    lists = lists_of_names(kid.name for kid in node.with_photos)
    return (
        TRAINING in lists.values()
        and len(lists) == len(node.with_photos)
        and all(kid.photos for kid in node.with_photos)
    )


def _depth(node: Node) -> int:
    """Levels of folders with photos below a folder."""
    return 1 + max((_depth(kid) for kid in node.with_photos), default=0)


def _too_low(root: str, loose: Sequence[str]) -> UserError:
    """What to say of a folder of photos without class folders."""
    higher = above(root)
    beside = _classes_in(higher)
    seen = f"seen:      {_listed(root)}"
    if len(beside) > 1 and len(lists_of_names(beside)) < len(beside):
        return LinesError(
            f"--image_dir={root} is one level too low: it holds photos itself, and no folder a class; give the folder above: --image_dir={higher}",
            seen,
            f"expected:  {shown(higher)}/{shown(root)}/{loose[0]}",
        )
    way = hint(root, root) or hint(higher, root)
    return LinesError(
        f"--image_dir={root} holds {len(loose)} photos itself, and no folder a class; make a folder for each class in it and move its "
        f"photos there{f'; or, {way}' if way else ''}",
        seen,
        f"expected:  {shown(root)}/CLASS/{loose[0]}",
    )


def _classes_in(folder: str) -> list[str]:
    """Folders in a folder that hold photos, of its first _LOOKED."""
    found = []
    try:
        for name in sub_folders(folder)[:_LOOKED]:
            with contextlib.suppress(UserError):  # one that may not be read is nobody's class
                if shows_a_class(join(folder, name)):
                    found.append(name)
    except UserError:
        pass
    return found


def _listed(folder: str) -> str:
    """What lies in a folder, in one line."""
    names = [entry.name + "/" * is_dir(entry) for entry in entries(folder)]
    words = ", ".join(names[:_SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > _SHOWN else "")
    return f"{shown(folder)}/{{{words}}}" if names else f"{shown(folder)}/ (empty)"


def _drawn(node: Node) -> str:
    """A folder, its folders, and theirs, in one line.

    Where they are many, the names of a level are cut.
    """
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
