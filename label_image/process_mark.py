"""Marks temporary files with the process that made them, so that a later process can tell whether that process has ended.

A mark is `PID-START-PLACE`: the process number, its start time in the system's own count (0 if unknown), and a few hex digits
that identify the machine or container. Thus the files of a killed process can be deleted, while those that another running
process is writing are kept.
"""

from __future__ import annotations

import functools
import os
import re
import time
from pathlib import Path

FORM = r"\d+-\d+-[0-9a-f]{6}"  # the pattern of a mark
_PROC = Path("/proc")  # Linux
_DAY_S = 86_400  # if a process cannot be checked, its files are deleted after this time


def mark() -> str:
    """Makes the mark of this process."""
    pid = os.getpid()
    return f"{pid}-{_start_of(pid) or 0}-{_place()}"


def is_over(text: str, path: Path) -> bool:
    """Returns whether the process with that mark has ended, so that `path` can be deleted.

    Args:
      text: a mark.
      path: a file or folder of that process. If the process cannot be checked (on another machine with a shared disk, or in
        another container), it counts as ended when this path is older than a day.

    >>> is_over(mark(), Path())
    False
    """
    match = re.fullmatch(FORM, text)
    if match is None:
        return False
    pid, start, place = text.split("-")
    if place != _place() or os.name == "nt":  # on Windows os.kill would end the process
        return _age_s(path) > _DAY_S
    if _PROC.is_dir():
        return _start_of(int(pid)) != int(start)
    return not _answers(int(pid))


@functools.cache
def _place() -> str:
    """Identifies the machine, and on Linux the container, whose process numbers these are."""
    import hashlib

    machine = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return hashlib.sha256(f"{machine} {namespace}".encode("utf-8", "surrogateescape")).hexdigest()[:6]


def _start_of(pid: int) -> int | None:
    """Reads a process's start time in ticks since boot; None if the process or /proc does not exist."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("ascii", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the process name before it may contain anything
    return None if fields[0] in "ZX" else int(fields[19])


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0
