"""Kills, for tests and for `make torture`: before each call that changes a name, or at a random moment.

everywhere(...)     a forked child does the work and is ended before its first, second, third ... such call
at_random(...)      a command is started and ended by SIGKILL after a random time
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from retrain.files import atomic

_CHANGES = ("os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
_KILLED, _FAILED = 9, 7
_MOST = 2_000  # calls, lest a test goes on for ever


def everywhere(
    scratch: Path,
    prepare: Callable[[Path], object],
    work: Callable[[Path], object],
    check: Callable[[Path, int], object],
    every: int = 1,
) -> int:
    """Does `work` in a folder again and again, ended each time before one call later, until it comes through.

    Args:
      scratch: a folder for folders.
      prepare: makes what stands in a folder before.
      work: what is killed; in a forked child.
      check: called with each folder and the number of the call, after the kill and after the work that came through.
      every: calls from one kill to the next.

    Returns:
      how many such calls there are, or a few less with `every`.
    """
    for number in range(1, _MOST, every):
        folder = scratch / f"kill-{number}"
        folder.mkdir()
        prepare(folder)
        status = _ended_before(number, lambda folder=folder: work(folder))  # type: ignore[misc]
        assert status in (0, _KILLED), f"the work failed, killed at call {number}"
        check(folder, number)
        shutil.rmtree(folder)
        if status == 0:
            return number - 1
    raise AssertionError(f"not through after {_MOST} calls")


def _ended_before(number: int, work: Callable[[], object]) -> int:
    """Forks; the exit status of the child, which ends before its call `number` that changes a name."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = number

    def seen(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_CREAT | os.O_TRUNC)
        if event in _CHANGES or writes:
            left -= 1
            if not left:
                os._exit(_KILLED)

    try:
        sys.addaudithook(seen)
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(_FAILED)


def as_next_process() -> None:
    """Forgets what this process has seen, as the next one would not know it."""
    atomic._cleared.clear()


def at_random(command: Sequence[str], longest_s: float, seed: int, **options: object) -> int | None:
    """Starts a command and ends it, and all that it started, after a random time.

    Args:
      command: program and words.
      longest_s: the latest moment; make it what the command takes.
      seed: of the moment.
      **options: for `subprocess.Popen`.

    Returns:
      its exit status; None if it was killed.
    """
    process = subprocess.Popen(command, **options)  # type: ignore[call-overload]
    try:
        return int(process.wait(Random(seed).uniform(0, longest_s)))
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.wait()
        return None
