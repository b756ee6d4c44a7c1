"""What `python -m retrain` prints, as --logging_verbosity asks: lines of its log, results, warnings.

Results and log lines go to standard output, so that a log holds them; warnings go to standard error. `label_image.terminal`
does the printing.
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
_MOST_ALIKE, _EXAMPLES = 5, 3  # warnings of one kind that are all printed; examples where there are more
_PACE_S = 10.0  # between two log lines that say how far the work is
_WHERE_ALL = "--logging_verbosity=DEBUG prints them all"
# What differs between two warnings of one kind, whatever their words: numbers, and what stands in quotes
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d.,]*")


class Screen:
    """What the user reads.

    Attributes:
      terminal: somebody watches standard error, where progress is shown.
      logged: standard output goes to a file or another program, or nobody watches progress.
      debugs: everything is printed, for who looks for a fault.
    """

    def __init__(self, verbosity: str = "INFO") -> None:
        self._level = _LEVELS[verbosity]
        self.debugs = self._level <= _LEVELS["DEBUG"]
        if self.debugs:
            show_tracebacks()
        self.terminal = terminal.is_terminal(sys.stderr) and self._level <= _LEVELS["INFO"]
        self.logged = not (self.terminal and terminal.is_terminal(sys.stdout))

    def debug(self, line: str) -> None:
        """A line for those who look for a fault."""
        self._print(line, "DEBUG")

    def info(self, line: str) -> None:
        """A line of the log."""
        self._print(line, "INFO")

    def result(self, line: str) -> None:
        """A line that is asked for: printed at any verbosity."""
        terminal.say(line)

    def warn(self, line: str) -> None:
        """A line the user should not miss."""
        if self._level <= _LEVELS["WARN"]:
            terminal.warn(line if line.startswith("WARNING") else f"WARNING: {line}")

    def notes(self, lines: Iterable[str]) -> None:
        """Several warnings; of many that are alike some are printed and the others counted."""
        for line in lines if self.debugs else counted(list(lines)):
            self.warn(line)

    def first(self, count: int) -> Callable[[str], None]:
        """A sink for log lines that are alike: prints the first ones, and once that there are more."""
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
        """A sink for log lines that say how far the work is: of those that differ in numbers only, one now and then."""
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
    """Warnings, those of one kind together: all of a few; of many some, and how many more there are.

    Two are of one kind if they have the same words, but for numbers, what is quoted, and words that few lines have: the
    names of classes and photos. A line of which most words are its own is like no other.

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
