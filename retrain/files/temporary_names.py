"""Temporary names: how they are made, and what a killed process left under them cleared away.

`.labels.txt.MARK.tmp` is written to until it is whole; `.model.MARK.old` is a folder that had to step aside for a new one
where the system cannot exchange two names at once. MARK says which process made it (see `label_image.process_mark`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from pathlib import Path

from label_image.process_mark import FORM, is_over, mark

_LONGEST = 255  # bytes of a name, on every file system that we know
_NAME = re.compile(rf"\.(?P<name>.+)\.(?P<mark>{FORM})\.(?P<ending>tmp|old)", re.DOTALL)


def temporary(path: Path, ending: str = "tmp") -> Path:
    """A name beside `path` that only this process uses; of a long name only the beginning is in it."""
    affix = f".{mark()}.{ending}"
    name, room = os.fsencode(path.name), _LONGEST - len(affix) - 1
    if len(name) > room:
        digest = hashlib.sha256(name).hexdigest()[:8]
        name = name[: room - 9].decode("utf-8", "ignore").encode() + b"~" + digest.encode()
    return path.with_name(f".{os.fsdecode(name)}{affix}")


def clear(folder: Path) -> None:
    """Clears away what killed processes left in one folder, not below it.

    A folder that stepped aside gets its name back where the new one never came. What cannot be cleared is left: that is
    no reason to stop.
    """
    try:
        with os.scandir(folder) as entries:
            found = [(Path(entry.path), match) for entry in entries if (match := _NAME.fullmatch(entry.name))]
    except OSError:
        return
    for path, match in found:
        if is_over(match["mark"], path):
            with contextlib.suppress(OSError):
                target = path.with_name(match["name"])
                if match["ending"] == "old" and not os.path.lexists(target):
                    path.rename(target)
                else:
                    remove(path)


def remove(path: Path) -> None:
    """Removes a file, a link or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
