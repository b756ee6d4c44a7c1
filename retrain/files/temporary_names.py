"""Makes temporary names, and removes the temporary files that killed processes left behind.

`.labels.txt.MARK.tmp` is written until it is complete; `.model.MARK.old` is a folder that was renamed to make room for a new one
on systems that cannot exchange two names atomically. MARK identifies the process that made it (see
`label_image.process_mark`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from pathlib import Path

from label_image.process_mark import FORM, is_over, mark

_LONGEST = 255  # bytes of a name on common file systems
_NAME = re.compile(rf"\.(?P<name>.+)\.(?P<mark>{FORM})\.(?P<ending>tmp|old)", re.DOTALL)


def temporary(path: Path, ending: str = "tmp") -> Path:
    """Returns a name beside `path` that only this process uses; a long name is cut and gets a digest."""
    affix = f".{mark()}.{ending}"
    name, room = os.fsencode(path.name), _LONGEST - len(affix) - 1
    if len(name) > room:
        digest = hashlib.sha256(name).hexdigest()[:8]
        name = name[: room - 9].decode("utf-8", "ignore").encode() + b"~" + digest.encode()
    return path.with_name(f".{os.fsdecode(name)}{affix}")


def clear(folder: Path) -> None:
    """Removes what killed processes left in one folder, but not in folders below it.

    A folder that was renamed to make room gets its name back if the new folder was never put there. Files that cannot be
    removed are left and cause no error.
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
    """Removes a file, a link or a whole folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
