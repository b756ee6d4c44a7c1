"""Finds the photo that a table names: by its path, without its ending, by the end of a path of another machine, in a sub-folder."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from functools import cached_property
from pathlib import Path

from label_image.junk_files import is_junk
from retrain.data.directory_listing import is_picture

_MOST_FILES = 2_000_000  # under --root that are looked at


class Finder:
    """Looks for photos under one folder.

    Args:
      folder: where relative paths begin.

    Attributes:
      ways: how many photos were found otherwise than by their whole path, by how.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ways: Counter[str] = Counter()

    def at_once(self, name: str) -> bool:
        """Whether a cell is the path of a file, as it stands."""
        return any(name and _is_file(self.folder / text) for text in (name, name.replace("\\", "/")))

    def anyhow(self, name: str) -> bool:
        """Whether a cell means a file that is there; the whole folder is looked through for it."""
        return bool(self._found(name)[0])

    def take(self, name: str) -> list[Path]:
        """The files that a cell means, counted in `ways`; more than one where it is ambiguous, none where there is none."""
        found, how = self._found(name)
        if len(found) == 1 and how:
            self.ways[how] += 1
        return found

    def _found(self, name: str) -> tuple[list[Path], str]:
        if not name:
            return [], ""
        for text in dict.fromkeys((name, name.replace("\\", "/"))):
            if _is_file(self.folder / text):
                return [self.folder / text], ""
        parts = [part for part in re.split(r"[\\/]+", name) if part not in ("", ".")]
        if not parts or len(name) > 4096 or "\0" in name:
            return [], ""
        for start in range(1, len(parts)):
            path = self.folder.joinpath(*parts[start:])
            if ".." not in parts[start:] and _is_file(path):
                return [path], "by the end of their paths"
        whole = self._by_name.get(parts[-1].casefold(), [])
        if whole:
            return _ending_alike(whole, parts), "in a sub-folder"
        return _ending_alike(self._by_stem.get(parts[-1].casefold(), []), parts), "without the ending in the table"

    @cached_property
    def _files(self) -> list[Path]:
        """The pictures under the folder."""
        found: list[Path] = []
        for place, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if not is_junk(name)]
            found += [Path(place, name) for name in names if is_picture(name) and not is_junk(name)]
            if len(found) > _MOST_FILES:
                break
        return found

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        table: dict[str, list[Path]] = defaultdict(list)
        for path in self._files:
            table[path.name.casefold()].append(path)
        return table

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        table: dict[str, list[Path]] = defaultdict(list)
        for path in self._files:
            table[path.stem.casefold()].append(path)
        return table


def _ending_alike(paths: list[Path], parts: list[str]) -> list[Path]:
    """Of several files those whose folders agree with the most of what the table says."""
    if len(paths) < 2:
        return paths

    def agreeing(path: Path) -> int:
        pairs = zip(reversed(path.parent.parts), reversed(parts[:-1]), strict=False)
        return next((place for place, (one, other) in enumerate(pairs) if one != other), len(parts) - 1)

    best = max(map(agreeing, paths))
    return [path for path in paths if agreeing(path) == best]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with a NUL in it
        return False
