"""Writes pictures to an image folder: LABEL/NAME, or SUBSET/LABEL/NAME (train/, test/ ...) if there are several subsets.

No file is overwritten, and no file is written outside the folder.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from label_image.errors import RunError, UserError
from label_image.junk_files import is_junk
from label_image.sorting import safe_name
from retrain.convert.source import Picture

_LONGEST = (
    124  # characters of a label, or half as many if they are not ASCII: at most 248 bytes; ImageNet has a label of 121
)


class ImageFolder:
    """An image folder to which pictures are written.

    Args:
      root: an empty folder.
      lists: the subsets that pictures will name; with fewer than two the folder has no subsets, so that `retrain` splits the photos.
    """

    def __init__(self, root: Path, lists: Sequence[str]) -> None:
        self._root, self._lists = root, lists
        self._folders: dict[tuple[str, str], Path] = {}
        self._numbers: Counter[Path] = Counter()
        self.counts: Counter[str] = Counter()  # number of pictures in each subset

    @property
    def labels(self) -> set[str]:
        """The classes of the pictures written so far."""
        return {label for _, label in self._folders}

    def add(self, picture: Picture) -> None:
        """Writes one picture; if its name is already used, a number is added (`a_2.jpg`).

        Raises:
          RunError: its label cannot be the name of a folder.
        """
        folder = self._folders.get((picture.which, picture.label)) or self._new_folder(picture)
        name = f"_{picture.name}" if is_junk(picture.name) else picture.name  # hidden files would be ignored
        path = folder / name
        while not _written(self._numbered(path), picture.data):
            self._numbers[path] = max(self._numbers[path], 1) + 1
        self.counts[picture.which] += 1

    def _numbered(self, path: Path) -> Path:
        number = self._numbers[path]
        return path.with_name(f"{path.stem}_{number}{path.suffix}") if number else path

    def _new_folder(self, picture: Picture) -> Path:
        label = picture.label
        if safe_name(label, _LONGEST) != label or is_junk(label):
            raise RunError(
                f"cannot use the label {label!r} ({picture.where}): it cannot be the name of a folder on every system; give it another name"
            )
        home = self._root / picture.which if len(self._lists) > 1 else self._root
        home.mkdir(exist_ok=True)
        folder = home / label
        try:
            folder.mkdir()
        except FileExistsError:  # macOS and Windows do not distinguish upper and lower case
            raise RunError(
                f"cannot use the label {label!r} ({picture.where}): another label has the same folder on this disk; rename one of them"
            ) from None
        self._folders[picture.which, label] = folder
        return folder


def check_place(folder: Path) -> None:
    """Refuses a folder in which files would be lost.

    Raises:
      UserError: it is a file, the current folder, or a folder that is not empty.
    """
    if not folder.is_dir():
        if os.path.lexists(folder):
            raise UserError(f"cannot write the folder {folder}: a file has that name; give another one")
        return
    if Path.cwd().is_relative_to(folder.resolve()):
        raise UserError(f"cannot write the folder {folder}: it is the current folder; give a new one")
    found = min((path.name for path in folder.iterdir()), default=None)
    if found is not None:
        raise UserError(f"cannot write the folder {folder}: it is not empty (found {found!r}); give a new one")


def _written(path: Path, data: bytes | Path) -> bool:
    """Writes a new file; returns False if it already exists."""
    try:
        file = path.open("xb")
    except FileExistsError:
        return False
    with file:
        if isinstance(data, bytes):
            file.write(data)
        else:
            with data.open("rb") as source:
                shutil.copyfileobj(source, file)
    return True
