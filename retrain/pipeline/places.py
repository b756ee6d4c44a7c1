"""Lists the output paths of a run, and refuses two outputs of which one would destroy the other."""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import UserError
from retrain.files.atomic import is_special
from retrain.options.options import Options
from retrain.pipeline.write_exports import orders_of

_NETWORKS = r".+-[0-9a-f]{12}\..+"  # the file names of prepared networks (backbones/model_folder)


@dataclass(frozen=True)
class Place:
    """An output path of a run."""

    flag: str
    path: Path
    kind: str  # "file"; "folder", which is replaced as a whole; "tree", to which files are added
    adds: str = ""  # for a tree: a pattern of the names that are added; they may replace existing files

    def __str__(self) -> str:
        """Returns flag and path as the user typed them."""
        return f"--{self.flag}={self.path}"


def places(options: Options) -> list[Place]:
    """Lists all output paths of a run."""
    return [*_files(options), *_series(options), *_trees(options)]


def _files(options: Options) -> Iterator[Place]:
    """Lists the outputs that replace a file or a folder."""
    for order in orders_of(options):
        yield Place(order.format.flag, order.path, "folder" if order.format.is_folder else "file")
    yield Place("output_labels", Path(options.exports.output_labels), "file")
    if options.exports.checkpoint_path:
        yield Place("checkpoint_path", Path(f"{options.exports.checkpoint_stem}.npz"), "file")
    if options.head.snapshot_steps:  # check the longest of these names
        last = max(options.head.how_many_training_steps, options.head.snapshot_steps)
        yield Place("checkpoint_path", Path(f"{options.exports.checkpoint_stem}_step_{last}.npz"), "file")


def _series(options: Options) -> Iterator[Place]:
    """Lists the outputs whose names contain the number of the step."""
    if options.head.snapshot_steps:
        stem = Path(options.exports.checkpoint_stem)
        yield Place("checkpoint_path", stem.parent, "tree", rf"{re.escape(_folded(stem.name))}_step_\d+\.npz")
    if options.exports.intermediate_store_frequency:
        first = Path(f"{options.exports.intermediate_output_graphs_dir}intermediate_0.pb")
        begins = re.escape(_folded(first.name.removesuffix("0.pb")))
        yield Place("intermediate_output_graphs_dir", first.parent, "tree", rf"{begins}\d+\.pb")


def _trees(options: Options) -> Iterator[Place]:
    """Lists the folders to which files are added."""
    yield Place("runs_dir", Path(options.run.runs_dir), "tree")
    yield Place("bottleneck_dir", Path(options.run.bottleneck_dir), "tree", r"audits")
    if options.run.summaries_dir:
        yield Place("summaries_dir", Path(options.run.summaries_dir), "tree")
    if options.finetune.tunes:
        yield Place("fine_tuned_dir", Path(options.finetune.fine_tuned_dir), "tree", _NETWORKS)


def check_apart(found: Sequence[Place]) -> None:
    """Refuses two outputs at the same path, or of which one destroys the other.

    Raises:
      UserError: the message names both flags.
    """
    located = [_Located(place) for place in found]
    for one, other in itertools.permutations(located, 2):
        _check_pair(one, other)


class _Located:
    """An output path with the identity of its location, which does not depend on the path by which it is reached."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.key = key(place.path)
        real = Path(os.path.realpath(place.path))
        self.above = [_identity(folder) for folder in (real, *real.parents)]  # starts with the path itself

    def is_in(self, other: _Located) -> bool:
        """Tells whether it is the other path or inside it."""
        return self.key[: len(other.key)] == other.key or other.above[0] in self.above

    def is_at(self, other: _Located) -> bool:
        """Tells whether both are the same location."""
        return self.key == other.key or self.above[0] == other.above[0]

    def is_one_of(self, other: _Located) -> bool:
        """Tells whether its name is one of those that are added to the tree `other`."""
        pattern, name = other.place.adds, self.key[-1] if self.key else ""
        return bool(pattern) and self.above[1:2] == other.above[:1] and re.fullmatch(pattern, name) is not None


def _check_pair(one: _Located, other: _Located) -> None:
    first, second = one.place, other.place
    if first.kind == second.kind == "tree" or (is_special(first.path) and is_special(second.path)):
        return
    if one.is_one_of(other) and first.flag != second.flag:
        raise UserError(f"cannot write {first}: --{second.flag} writes files of such names there; choose another name")
    if one.is_at(other):
        raise UserError(f"cannot write {first} and {second}: both are one place; give each its own name")
    if second.kind != "tree" and one.is_in(other):
        what = "which is a file" if second.kind == "file" else "which is replaced as a whole"
        raise UserError(f"cannot write {first}: it is inside {second}, {what}; choose another place")


def key(path: Path) -> tuple[str, ...]:
    """Computes a key that is equal for two names of the same location: resolves links, ignores letter case and Unicode normal form."""
    return tuple(_folded(part) for part in Path(os.path.realpath(path)).parts)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _identity(path: Path) -> tuple[object, ...]:
    """Identifies a path by the device and inode numbers of its deepest existing folder, and the names below it that do not exist yet.

    A folder may have several paths without links (it is mounted twice, or the file system has its own rules for names).
    """
    below: list[str] = []
    for one in (path, *path.parents):
        try:
            if one.is_dir():
                seen = one.stat()
                return (seen.st_dev, seen.st_ino, *reversed(below))
        except (OSError, ValueError):  # reported where the kind of each output is checked
            pass
        below.append(_folded(one.name))
    return tuple(reversed(below))
