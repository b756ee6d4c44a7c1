"""Lines in, standard output and error out, as --logging_verbosity asks.

Results and log lines go to standard output, so that a log holds them; warnings and errors go to standard error.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable

_LEVELS = {"DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50}


class Screen:
    """What the user reads."""

    def __init__(self, verbosity: str = "INFO") -> None:
        self._level = _LEVELS[verbosity]
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a file's name need not be UTF-8
        self.terminal = sys.stderr.isatty() and self._level <= _LEVELS["INFO"]

    def debug(self, line: str) -> None:
        """A line for those who look for a fault."""
        self._print(line, "DEBUG")

    def info(self, line: str) -> None:
        """A line of the log."""
        self._print(line, "INFO")

    def result(self, line: str) -> None:
        """A line that is asked for: printed at any verbosity."""
        print(line, flush=True)

    def warn(self, line: str) -> None:
        """A line the user should not miss."""
        if self._level <= _LEVELS["WARN"]:
            sys.stdout.flush()
            print(line if line.startswith("WARNING") else f"WARNING: {line}", file=sys.stderr, flush=True)

    def notes(self, lines: Iterable[str]) -> None:
        """Several of them."""
        for line in lines:
            self.warn(line)

    def _print(self, line: str, level: str) -> None:
        if self._level <= _LEVELS[level]:
            print(line, flush=True)
