"""Counts the photos in each folder of a tree, within bounds, to advise on what --image_dir could be.

The tree is searched level by level, so that the top levels are known even for a home folder or a network share.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from label_image.errors import UserError
from retrain.data.directory_listing import entries, is_dir, is_picture, leads_back
from retrain.data.own_outputs import what_is_ours

MOST_FOLDERS, MOST_FILES, MOST_LEVELS, MOST_SECONDS = 2_000, 100_000, 7, 4.0


_BEGINNINGS = (
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"GIF8",
    b"RIFF",
    b"BM",
    b"II*\0",
    b"MM\0*",
)  # the first bytes of picture files


@dataclass
class Node:
    """One folder."""

    path: str  # as typed, followed by folder names
    name: str
    photos: int = (
        0  # files with a picture's suffix directly in the folder; if no file has a suffix, files without one count too
    )
    files: int = 0  # all files directly in the folder
    folders: list[Node] = field(default_factory=list)

    @property
    def deep(self) -> int:
        """The number of photos in the folder and below it."""
        return self.photos + sum(node.deep for node in self.folders)

    @property
    def with_photos(self) -> list[Node]:
        """The subfolders that contain photos at any depth."""
        return [node for node in self.folders if node.deep]


@dataclass
class Tree:
    """A folder and all that was found below it."""

    root: Node
    folders: int = 0  # number of folders that were searched
    files: int = 0
    cut: bool = False  # a bound ended the search

    @property
    def bound(self) -> str:
        """Returns a line on what was not searched, or "" if everything was."""
        if not self.cut:
            return ""
        return f"(searched only the first {self.folders} folders and {self.files} files, at most {MOST_LEVELS} levels deep; there may be more photos)"


def look(path: str, name: str) -> Tree:
    """Searches a folder and all below it, up to MOST_FOLDERS, MOST_FILES, MOST_LEVELS and MOST_SECONDS."""
    tree = Tree(Node(path, name))
    waiting = deque([(tree.root, 0)])
    end = time.monotonic() + MOST_SECONDS
    while waiting:
        node, level = waiting.popleft()
        if tree.folders >= MOST_FOLDERS or tree.files >= MOST_FILES or time.monotonic() > end:
            tree.cut = True
            break
        try:
            found = entries(node.path)
        except UserError:  # no permission: treated as a folder without photos
            continue
        tree.folders += 1
        below = [entry for entry in found if is_dir(entry) and not leads_back(entry)]
        names = [entry.name for entry in found if not is_dir(entry)]
        tree.files += len(names)
        node.files = len(names)
        node.photos = sum(map(is_picture, names)) or _without_endings(found)
        if level == MOST_LEVELS:
            tree.cut = tree.cut or bool(below)
            continue
        for entry in below:
            node.folders.append(Node(entry.path, entry.name))
            if not what_is_ours(entry.path) or _holds_folders(entry.path):
                waiting.append((node.folders[-1], level + 1))
    return tree


def _without_endings(found: Sequence[os.DirEntry[str]]) -> int:
    """Counts the files of a folder if none has a suffix and the first one begins like a picture; otherwise 0."""
    try:
        files = [entry for entry in found if entry.is_file()]
        if not files or any("." in entry.name for entry in files):
            return 0
        file = os.open(files[0].path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # do not block on a pipe or device
        try:
            begin = os.read(file, 12)
        finally:
            os.close(file)
    except OSError:
        return 0
    return len(files) if begin.startswith(_BEGINNINGS) or begin[4:8] == b"ftyp" else 0


def _holds_folders(path: str) -> bool:
    """Whether one of our output folders, such as tf_files, may also contain a folder of photos."""
    try:
        return any(is_dir(entry) and not what_is_ours(entry.path) for entry in entries(path))
    except UserError:
        return False
