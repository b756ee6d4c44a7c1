"""Counts the trials of one kind of robustness test, and keeps a line for each failure."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field


@dataclass
class Tally:
    """The count of one kind of test; several threads may add to it."""

    kind: str
    what: str  # description of the test for the table
    tried: int = 0
    failures: list[str] = field(default_factory=list)  # one line for each failure
    missing: str = ""  # why it could not be tested on this machine; "" if it was
    seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _start: float = field(default_factory=time.perf_counter, repr=False)

    def add(self, problem: str, case: str) -> None:
        """Counts one trial; `problem` is "" if it passed, and `case` names the trial so that it can be repeated."""
        with self._lock:
            self.tried += 1
            if problem:
                self.failures.append(f"{case}: {problem}")

    def done(self) -> Tally:
        """Records the duration."""
        self.seconds = time.perf_counter() - self._start
        return self

    @property
    def survived(self) -> int:
        """Returns the number of trials that passed."""
        return self.tried - len(self.failures)
