"""Counts in, a line for people out: how far, how fast, how long still.

On a terminal one line that is written over; in a log a plain line now and then. The clock starts when the work does.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

_TERMINAL_EVERY_S = 0.1
_LOG_EVERY_S = 10.0
_TAKE_AWAY = "\r\x1b[2K"  # to the line's beginning; empty it


class Progress:
    """The progress of one piece of work.

    Args:
      total: how many items.
      noun: what they are: "photos".
      stream: where to write; its being a terminal decides the form.
    """

    def __init__(self, total: int, noun: str, stream: TextIO | None = None) -> None:
        self._total, self._noun = total, noun
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._start = self._last = time.monotonic()
        self._open = False

    def update(self, done: int, detail: str = "") -> None:
        """Says that `done` items are done; writes when it is time to."""
        now = time.monotonic()
        if now - self._last < (_TERMINAL_EVERY_S if self._terminal else _LOG_EVERY_S):
            return
        self._last = now
        line = describe(done, self._total, self._noun, now - self._start) + (f"  {detail}" if detail else "")
        if self._terminal:  # a line that wraps could not be taken away
            line = _TAKE_AWAY + line[: shutil.get_terminal_size().columns - 1]
        self._stream.write(line if self._terminal else f"{line}\n")
        self._stream.flush()
        self._open = self._terminal

    def close(self) -> None:
        """Takes the line away, at the end or to make room for another line; `update` brings it back."""
        if self._open:
            self._stream.write(_TAKE_AWAY)
            self._stream.flush()
            self._open = False


def describe(done: int, total: int, noun: str, elapsed_s: float) -> str:
    """One line: count, rate and time left.

    >>> describe(50, 200, "photos", 10.0)
    '50 of 200 photos, 5.0 photos/s, 30 s left'
    """
    speed = speed_of(done, total, noun, elapsed_s)
    return f"{done} of {total} {noun}" + (f", {speed}" if speed else "")


def speed_of(done: int, total: int, noun: str, elapsed_s: float) -> str:
    """Rate and time left; nothing where neither is known yet.

    >>> speed_of(50, 200, "photos", 10.0)
    '5.0 photos/s, 30 s left'
    """
    if not done or elapsed_s <= 0:
        return ""
    rate = done / elapsed_s
    return f"{_short(rate)} {noun}/s, {duration((total - done) / rate)} left"


def duration(seconds: float) -> str:
    """Seconds for people.

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
