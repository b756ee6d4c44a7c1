"""Finds the photo that a table names: by its path, without its suffix, by the end of another computer's path, or in a subfolder."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from functools import cached_property
from pathlib import Path

from label_image.junk_files import is_junk
from retrain.data.directory_listing import is_picture

_MOST_FILES = 2_000_000  # files under --root that are searched at most


class Finder:
    """Searches for photos under one folder.

    Args:
      folder: the folder to which paths are relative.

    Attributes:
      ways: number of photos that were not found by their exact path, by the way in which they were found.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ways: Counter[str] = Counter()

    def at_once(self, name: str) -> bool:
        """Whether a cell is the exact path of a file."""
        return any(name and _is_file(self.folder / text) for text in (name, name.replace("\\", "/")))

    def anyhow(self, name: str) -> bool:
        """Whether a cell names an existing file in any of the ways; the whole folder is searched for it."""
        return bool(self._found(name)[0])

    def take(self, name: str) -> list[Path]:
        """Returns the files that a cell can mean, and counts them in `ways`: several if it is ambiguous, none if there is none."""
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
                return [path], "by the last part of their path"
        whole = self._by_name.get(parts[-1].casefold(), [])
        if whole:
            return _ending_alike(whole, parts), "in a subfolder"
        return _ending_alike(self._by_stem.get(parts[-1].casefold(), []), parts), "by their name without a suffix"

    @cached_property
    def _files(self) -> list[Path]:
        """All pictures under the folder."""
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
    """Returns those of several files whose parent folders agree best with the path in the table."""
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
    except (OSError, ValueError):  # the name is too long or contains a NUL
        return False
