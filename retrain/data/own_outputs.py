"""Recognises the folders that this tool writes, by what is in them, so that none is taken for a class.

A name alone says nothing: a user's class may be called `models` or `runs`. What holds photos of its own is a class, whatever
else lies in it.
"""

# Paths are text here, as in `folders`.
# ruff: noqa: PTH118

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from os.path import join

from label_image.errors import UserError
from label_image.junk_files import is_junk
from label_image.model_kinds.table import MODEL_KINDS
from label_image.sorting import UNSURE
from retrain.data.directory_listing import entries, is_dir, is_picture, leads_back, reading

_GLANCE = 64  # entries of a folder among which a picture shows that it is a class
_DEPTH = 5  # levels of folders that hold nothing but folders of ours
_SURE = {
    ".made-by-retrain": "training summaries",
    "bottlenecks.sqlite": "the features of photos",
    "run.json": "the record of a run",
    ".running": "the record of a run",
    "compare.json": "a comparison of runs",
    "saved_model.pb": "a SavedModel",
    "retrained_labels.txt": "trained classifiers",
    "projector_config.pbtxt": "training summaries",
}
_ENDINGS = "|".join(re.escape(suffix) for row in MODEL_KINDS for suffix in row.suffixes)
_NETWORK = re.compile(rf".+({_ENDINGS}|\.pth|\.npz|\.ckpt)|(mobilenet|inception).*\.tgz")
_EVENTS = "events.out.tfevents."
_HEAT_MAP = re.compile(r".+_heat(_\d+)?\.jpg")
_OUR_PICTURES = {
    "sprite.jpg",
    "test_photo.jpg",
    "cropped_panda.jpg",
}  # the projector's, a device's, Inception's archive's


def what_is_ours(folder: str, depth: int = _DEPTH) -> str:
    """What of this tool's a folder holds, in words; "" where it holds anything else.

    Args:
      folder: any folder.
      depth: how many levels of folders without files are gone down.
    """
    try:
        found = entries(folder)
    except UserError:  # not to be read: said where it is read as a class
        return ""
    files = [entry.name for entry in found if not is_dir(entry)]
    pictures = [name for name in files if is_picture(name) and name not in _OUR_PICTURES]
    if pictures:
        return "heat maps" if all(_HEAT_MAP.fullmatch(name) for name in pictures) else ""
    if what := _by_files(folder, files):
        return what
    below = [entry.path for entry in found if is_dir(entry) and not leads_back(entry)]
    if files or not below or not depth:
        return ""
    if any(os.path.lexists(join(path, "bottlenecks.sqlite")) for path in below):
        return "outputs of this tool"  # tf_files, also where a folder of photos lies in it
    whats: set[str] = set()
    for path in below:
        what = what_is_ours(path, depth - 1)
        if not what and entries(path):
            return ""  # at once: a home folder is large
        whats |= {what} - {""}
    return " and ".join(sorted(whats))


def is_unsure(name: str) -> bool:
    """Whether it is where `label_image --sort_into` puts the photos that it is not sure of."""
    return name == UNSURE


def is_sorted(folder: str, classes: Sequence[str]) -> bool:
    """Whether a folder without files has folders of the same names as the classes beside it, as --sort_into makes them."""
    try:
        found = entries(folder)
    except UserError:
        return False
    names = {entry.name for entry in found if is_dir(entry)}
    return bool(names) and all(is_dir(entry) for entry in found) and names <= {*classes, UNSURE}


def shows_a_class(folder: str) -> bool:
    """Whether a picture that is not ours is among the first entries: the quick answer for the folders of photos.

    Raises:
      UserError: it may not be read.
    """
    with reading(folder) as found:
        for entry in itertools.islice(found, _GLANCE):
            name = entry.name
            if is_picture(name) and name not in _OUR_PICTURES and not is_junk(name) and not _HEAT_MAP.fullmatch(name):
                return True
    return False


def _by_files(folder: str, files: Sequence[str]) -> str:
    """By files that only this tool, or the makers of networks, leave."""
    names = set(files)
    if {"run.py", "labels.txt", "expected.json"} <= names:
        return "a folder for a device"
    for name, what in _SURE.items():
        if name in names or (name.startswith(".") and os.path.lexists(join(folder, name))):
            return what
    for name in files:
        if name.startswith(_EVENTS):
            return "training summaries"
        if _NETWORK.fullmatch(name.lower()):
            return "networks"
    return ""
