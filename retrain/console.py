"""Prints the messages of `python -m retrain` (log lines, results, warnings) as --logging_verbosity determines.

Results and log lines are printed on standard output, so that they can be redirected to a file; warnings are printed on standard
error. `label_image.terminal` does the printing.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable

from label_image import terminal
from label_image.program import show_tracebacks

_LEVELS = {"DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50}
_MOST_ALIKE, _EXAMPLES = 5, 3  # at most this many similar warnings are all printed; of more, only so many examples
_PACE_S = 10.0  # between two log lines about progress
_WHERE_ALL = "--logging_verbosity=DEBUG prints them all"
# The parts in which similar warnings may differ: numbers and quoted text
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d.,]*")


class Screen:
    """Prints what the user reads.

    Attributes:
      terminal: whether standard error, which shows progress, is a terminal.
      logged: whether standard output goes to a file or another program, or progress is not shown.
      debugs: whether everything is printed, for finding errors.
    """

    def __init__(self, verbosity: str = "INFO") -> None:
        self._level = _LEVELS[verbosity]
        self.debugs = self._level <= _LEVELS["DEBUG"]
        if self.debugs:
            show_tracebacks()
        self.terminal = terminal.is_terminal(sys.stderr) and self._level <= _LEVELS["INFO"]
        self.logged = not (self.terminal and terminal.is_terminal(sys.stdout))

    def debug(self, line: str) -> None:
        """Prints a line for finding errors."""
        self._print(line, "DEBUG")

    def info(self, line: str) -> None:
        """Prints a line of the log."""
        self._print(line, "INFO")

    def result(self, line: str) -> None:
        """Prints a result, at any verbosity."""
        terminal.say(line)

    def warn(self, line: str) -> None:
        """Prints a warning."""
        if self._level <= _LEVELS["WARN"]:
            terminal.warn(line if line.startswith("WARNING") else f"WARNING: {line}")

    def notes(self, lines: Iterable[str]) -> None:
        """Prints several warnings; of many similar ones, some are printed and the others counted."""
        for line in lines if self.debugs else counted(list(lines)):
            self.warn(line)

    def first(self, count: int) -> Callable[[str], None]:
        """Returns a function for similar log lines, which prints the first ones and then once that there are more."""
        seen = 0

        def info(line: str) -> None:
            nonlocal seen
            seen += 1
            if seen <= count or self.debugs:
                self.info(line)
            elif seen == count + 1:
                self.info(f"... and so on ({_WHERE_ALL})")

        return info

    def paced(self) -> Callable[[str], None]:
        """Returns a function for log lines about progress; of lines that differ only in numbers it prints one from time to time."""
        last: dict[str, float] = {}

        def info(line: str) -> None:
            now, kind = time.monotonic(), _PARTICULAR.sub("#", line)
            if now - last.get(kind, -_PACE_S) >= _PACE_S or self.debugs:
                last[kind] = now
                self.info(line)

        return info

    def _print(self, line: str, level: str) -> None:
        if self._level <= _LEVELS[level]:
            terminal.say(line)


def counted(lines: list[str]) -> list[str]:
    """Groups similar warnings: a few are all returned; of many, some examples and the number of the others.

    Two warnings are similar if they have the same words, except for numbers, quoted text, and words that few lines contain, such
    as names of classes and photos. A line with mostly rare words is not similar to any other.

    >>> counted([f"left out p/{n}.jpg: cut short" for n in range(1000)])[-1]
    '... and 997 more like these (--logging_verbosity=DEBUG prints them all)'
    """
    if len(lines) <= _MOST_ALIKE:
        return lines
    words = [_PARTICULAR.sub("#", line).split() for line in lines]
    lines_of = Counter(word for line in words for word in set(line))
    kinds: dict[tuple[str, ...], list[str]] = {}
    for line, those in zip(lines, words, strict=True):
        shared = [word for word in those if lines_of[word] > _MOST_ALIKE]
        kinds.setdefault(tuple(shared if 2 * len(shared) >= len(those) else those), []).append(line)
    result = []
    for alike in kinds.values():
        result += alike if len(alike) <= _MOST_ALIKE else [*alike[:_EXAMPLES], _more(len(alike) - _EXAMPLES)]
    return result


def _more(count: int) -> str:
    return f"... and {count:,} more like these ({_WHERE_ALL})"
