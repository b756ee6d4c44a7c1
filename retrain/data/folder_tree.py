"""A bounded look at a whole folder tree: how many photos lie in which folder, for advice on what --image_dir could be.

Level by level, so that what is near the top is known even of a home folder or a network share.
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


_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")  # of pictures' files


@dataclass
class Node:
    """One folder."""

    path: str  # as typed, then names
    name: str
    photos: int = (
        0  # files named as pictures, in the folder itself; with files that have no ending, where no file has one
    )
    files: int = 0  # all files in the folder itself
    folders: list[Node] = field(default_factory=list)

    @property
    def deep(self) -> int:
        """Photos in the folder and below it."""
        return self.photos + sum(node.deep for node in self.folders)

    @property
    def with_photos(self) -> list[Node]:
        """The folders in it below which there are photos."""
        return [node for node in self.folders if node.deep]


@dataclass
class Tree:
    """A folder and what was seen below it."""

    root: Node
    folders: int = 0  # looked into
    files: int = 0
    cut: bool = False  # a bound ended the look

    @property
    def bound(self) -> str:
        """A line on what was not looked at; "" where all was."""
        if not self.cut:
            return ""
        return f"(looked into the first {self.folders} folders, {self.files} files, at most {MOST_LEVELS} levels deep; numbers are the least)"


def look(path: str, name: str) -> Tree:
    """Looks at what lies in a folder and below it, up to MOST_FOLDERS, MOST_FILES, MOST_LEVELS and MOST_SECONDS."""
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
        except UserError:  # not to be read: nobody's photos here
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
    """How many files a folder holds, if none has an ending and the first begins as pictures do; else 0."""
    try:
        files = [entry for entry in found if entry.is_file()]
        if not files or any("." in entry.name for entry in files):
            return 0
        file = os.open(
            files[0].path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
        )  # what only looks like a file never holds us up
        try:
            begin = os.read(file, 12)
        finally:
            os.close(file)
    except OSError:
        return 0
    return len(files) if begin.startswith(_BEGINNINGS) or begin[4:8] == b"ftyp" else 0


def _holds_folders(path: str) -> bool:
    """Whether a folder of ours, as tf_files, may hold a folder of photos too."""
    try:
        return any(is_dir(entry) and not what_is_ours(entry.path) for entry in entries(path))
    except UserError:
        return False
