"""Recognises the folders that this tool writes by their contents, so that none is mistaken for a class.

The name alone is not enough, because a user's class may be called `models` or `runs`. A folder that directly contains photos
is a class, whatever else it contains.
"""

# Paths are strings here, as in `class_folder`.
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

_FIRST_ENTRIES = 64  # a folder is a class if there is a picture among this many entries
_DEPTH = 5  # levels of folders that contain only our own folders
_MARKER_FILES = {
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
}  # of the embedding projector, a device folder, Inception's archive


def what_is_ours(folder: str, depth: int = _DEPTH) -> str:
    """Describes the outputs of this tool in a folder; "" if the folder contains anything else.

    Args:
      folder: any folder.
      depth: how many levels of folders without files are searched.
    """
    try:
        found = entries(folder)
    except UserError:  # no permission: the error is raised when it is read as a class
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
        return "outputs of this tool"  # tf_files, even if it contains a folder of photos
    whats: set[str] = set()
    for path in below:
        what = what_is_ours(path, depth - 1)
        if not what and entries(path):
            return ""  # return early: a home folder is large
        whats |= {what} - {""}
    return " and ".join(sorted(whats))


def is_unsure(name: str) -> bool:
    """Whether a folder's name is the one that `label_image --sort_into` gives to uncertain photos."""
    return name == UNSURE


def is_sorted(folder: str, classes: Sequence[str]) -> bool:
    """Whether a folder has no files and only folders named as the classes beside it, as --sort_into makes them."""
    try:
        found = entries(folder)
    except UserError:
        return False
    names = {entry.name for entry in found if is_dir(entry)}
    return bool(names) and all(is_dir(entry) for entry in found) and names <= {*classes, UNSURE}


def shows_a_class(folder: str) -> bool:
    """Whether a picture that is not ours is among the first entries: a quick test for folders of photos.

    Raises:
      UserError: there is no permission to read it.
    """
    with reading(folder) as found:
        for entry in itertools.islice(found, _FIRST_ENTRIES):
            name = entry.name
            if is_picture(name) and name not in _OUR_PICTURES and not is_junk(name) and not _HEAT_MAP.fullmatch(name):
                return True
    return False


def _by_files(folder: str, files: Sequence[str]) -> str:
    """Recognises files that only this tool or the publishers of networks write."""
    names = set(files)
    if {"run.py", "labels.txt", "expected.json"} <= names:
        return "a folder for a device"
    for name, what in _MARKER_FILES.items():
        if name in names or (name.startswith(".") and os.path.lexists(join(folder, name))):
            return what
    for name in files:
        if name.startswith(_EVENTS):
            return "training summaries"
        if _NETWORK.fullmatch(name.lower()):
            return "networks"
    return ""
