"""Shows the progress of a piece of work: what is done, the rate and the time left.

On a terminal, one line is updated in place; a log gets a line from time to time, with growing intervals. The clock starts
with the work. If standard error is closed or full, nothing is written.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TextIO

from label_image.terminal import is_terminal

_TERMINAL_EVERY_S = 0.1
_LOG_EVERY_S, _LONGEST_S = 10.0, 600.0  # seconds between two lines of a log: at the beginning, and after hours
_LOG_SHARE = (
    0.25  # the interval until the next line of a log, as a fraction of the elapsed time: about twenty lines in an hour
)
_TAKE_AWAY = "\r\x1b[2K"  # move to the beginning of the line and clear it


_LISTENER: ContextVar[Callable[[int, int, str], None] | None] = ContextVar("_LISTENER", default=None)


@contextlib.contextmanager
def report_progress_to(listener: Callable[[int, int, str], None]) -> Iterator[None]:
    """In the block, passes progress to `listener(done, total, noun)` instead of printing it; applies to this thread."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


class Progress:
    """The progress of one piece of work.

    Args:
      total: how many items.
      noun: the name of the items: "photos".
      stream: where to write; the form depends on whether it is a terminal.
    """

    def __init__(self, total: int, noun: str, stream: TextIO | None = None) -> None:
        self._total, self._noun = total, noun
        self._stream: TextIO | None = stream or sys.stderr
        self._terminal = is_terminal(self._stream)
        self._start = self._last = time.monotonic()
        self._open = False
        self._listener = _LISTENER.get()

    def update(self, done: int, detail: str = "") -> None:
        """Records that `done` items are done, and writes a line if it is time for one."""
        if self._listener:
            self._listener(done, self._total, self._noun)
            return
        now = time.monotonic()
        log_every_s = min(max(_LOG_EVERY_S, _LOG_SHARE * (self._last - self._start)), _LONGEST_S)
        if now - self._last < (_TERMINAL_EVERY_S if self._terminal else log_every_s):
            return
        self._last = now
        line = describe(done, self._total, self._noun, now - self._start) + (f"  {detail}" if detail else "")
        if self._terminal:  # a line that wraps could not be cleared
            line = _TAKE_AWAY + line[: shutil.get_terminal_size().columns - 1]
        self._write(line if self._terminal else f"{line}\n")
        self._open = self._terminal

    def close(self) -> None:
        """Clears the line, at the end or before another line is printed; `update` shows it again."""
        if self._open:
            self._write(_TAKE_AWAY)
            self._open = False

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        with contextlib.suppress(OSError, ValueError):  # the stream is full or closed: the work continues without it
            self._stream.write(text)
            self._stream.flush()


class Tenths:
    """Decides when a log gets a line: at each tenth of the steps, and in between if a tenth takes long.

    Args:
      steps: the total number of steps.
    """

    def __init__(self, steps: int) -> None:
        self._steps = max(steps, 1)
        self._next = 0  # the next tenth
        self._wait_s = 60.0  # doubled with each line between two tenths, so a run of a day has about ten of them
        self._last = time.monotonic()

    def due(self, step: int) -> bool:
        """Whether to print a line for the evaluation of this step, counted from 0."""
        now, tenth = time.monotonic(), (step + 1) * 10 // self._steps
        late = now - self._last >= self._wait_s
        if tenth < self._next and not late:
            return False
        if tenth < self._next:
            self._wait_s *= 2
        self._next, self._last = max(self._next, tenth + 1), now
        return True


def describe(done: int, total: int, noun: str, elapsed_s: float) -> str:
    """Formats the progress as one line: count, rate and time left.

    >>> describe(50, 200, "photos", 10.0)
    '50 of 200 photos, 5.0 photos/s, 30 s left'
    """
    speed = speed_of(done, total, noun, elapsed_s)
    return f"{done} of {total} {noun}" + (f", {speed}" if speed else "")


def speed_of(done: int, total: int, noun: str, elapsed_s: float) -> str:
    """Formats rate and time left; returns "" if they are not known yet.

    >>> speed_of(50, 200, "photos", 10.0)
    '5.0 photos/s, 30 s left'
    """
    if not done or elapsed_s <= 0:
        return ""
    rate = done / elapsed_s
    return f"{_short(rate)} {noun}/s, {duration((total - done) / rate)} left"


def duration(seconds: float) -> str:
    """Formats a number of seconds for people.

    >>> [duration(s) for s in (0.4, 59.6, 61, 7261)]
    ['0 s', '60 s', '1 min 1 s', '2 h 1 min']
    """
    whole = round(seconds)
    if whole <= 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _short(rate: float) -> str:
    return f"{rate:.1f}" if rate < 10 else f"{rate:,.0f}"
