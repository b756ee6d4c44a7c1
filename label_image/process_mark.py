"""Whose a temporary name is: each process has a mark for the names that it makes, and a later one can tell whether it has ended.

A mark is `PID-START-PLACE`: the number of the process, when it began (the system's own count, 0 where it tells none), and
a few hex digits for the machine or container that counts so. A name whose process was killed can thus be cleared away,
and one that another program is writing to just now is left alone.
"""

from __future__ import annotations

import functools
import os
import re
import time
from pathlib import Path

FORM = r"\d+-\d+-[0-9a-f]{6}"  # of a mark, for regular expressions
_PROC = Path("/proc")  # Linux
_DAY_S = 86_400  # of a process that cannot be asked after, nothing is left alone for longer


def mark() -> str:
    """The mark of this process."""
    pid = os.getpid()
    return f"{pid}-{_start_of(pid) or 0}-{_place()}"


def is_over(text: str, path: Path) -> bool:
    """Whether the process with that mark has ended, so that what it left at `path` can be cleared away.

    Args:
      text: a mark.
      path: a file or folder of that process. Where the process cannot be asked after (another machine on a shared disk,
        another container), the age of this decides: older than a day.

    >>> is_over(mark(), Path())
    False
    """
    match = re.fullmatch(FORM, text)
    if match is None:
        return False
    pid, start, place = text.split("-")
    if place != _place() or os.name == "nt":  # Windows: os.kill would end it
        return _age_s(path) > _DAY_S
    if _PROC.is_dir():
        return _start_of(int(pid)) != int(start)
    return not _answers(int(pid))


@functools.cache
def _place() -> str:
    """Where the numbers of processes are counted: the machine, and on Linux the container."""
    import hashlib

    machine = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return hashlib.sha256(f"{machine} {namespace}".encode("utf-8", "surrogateescape")).hexdigest()[:6]


def _start_of(pid: int) -> int | None:
    """When a process began, in ticks since the machine did; None where there is none, or no /proc."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("ascii", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
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
