"""Counts the trials of one kind of robustness test, and keeps a line for each failure."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field


@dataclass
class Tally:
    """The count of one kind; several threads may add to it."""

    kind: str
    what: str  # what was tried and what counts as survived, for the table
    tried: int = 0
    failures: list[str] = field(default_factory=list)  # one line each
    missing: str = ""  # why it could not be tried here; "" where it was
    seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _start: float = field(default_factory=time.perf_counter, repr=False)

    def add(self, problem: str, case: str) -> None:
        """Counts one trial; `problem` is "" where it was survived, `case` names the trial so that it can be repeated."""
        with self._lock:
            self.tried += 1
            if problem:
                self.failures.append(f"{case}: {problem}")

    def done(self) -> Tally:
        """Notes how long it took."""
        self.seconds = time.perf_counter() - self._start
        return self

    @property
    def survived(self) -> int:
        """Trials that ended as they should."""
        return self.tried - len(self.failures)
