"""A Task in, Findings out, from a process of its own that works while training does.

Training keeps one core busy; the audit takes another. In a thread it would hold up training, which is Python and small
matrix products.

    python -m retrain.audit.worker    arrays as .npy on standard input, JSON on standard output

It ends when the process that started it does, however that ends: its standard input stays open until then, and on Linux
the system is asked to end it too, as a thread that waits for the input may not get its turn.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from retrain.audit.findings import Findings, Task, find

_ROOT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 600
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class AuditError(Exception):
    """The process gave no findings; the message is one line."""


class Worker:
    """The process, at work from the start; close it when done.

    Args:
      task: the photos.

    It ignores Ctrl-C, which is meant for us, and ends when its input does: also when we are killed.
    Make it in the main thread: Linux ends it with the thread that started it.

    Raises:
      OSError: the process can not be started.
    """

    def __init__(self, task: Task) -> None:
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "retrain.audit.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                # One thread, the core that training leaves: two waited for each other, 41 s instead of 11 s for 20,000.
                env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        except OSError:
            self._errors.close()
            raise
        self._answer = b""
        self._talk = threading.Thread(target=self._ask, args=(task,), daemon=True)
        self._talk.start()

    def findings(self) -> Findings:
        """Waits for what was found.

        Raises:
          AuditError: the process failed.
        """
        self._talk.join(_TIMEOUT_S)
        if self._talk.is_alive():
            raise AuditError(f"no answer within {_TIMEOUT_S} s")
        if self._process.wait() or not self._answer:
            self._errors.seek(0)
            said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
            raise AuditError(said[-1] if said else f"exit status {self._process.returncode}")
        return findings_of(self._answer)

    def close(self) -> None:
        """Ends the process, whether or not it is done."""
        self._process.kill()
        self._process.wait()
        self._talk.join()
        self._errors.close()

    def _ask(self, task: Task) -> None:
        source, answer = self._process.stdin, self._process.stdout
        if source is None or answer is None:  # never: both are pipes
            return
        with answer:
            with contextlib.suppress(OSError):  # it may have died; that is told by its status
                for field in dataclasses.fields(task):
                    np.lib.format.write_array(_Pipe(source.write), getattr(task, field.name), allow_pickle=False)
                source.flush()
            self._answer = answer.read()
            with contextlib.suppress(OSError):
                source.close()  # only now: that it ends is what ends the process


def findings_of(text: str | bytes) -> Findings:
    """Findings from their JSON.

    Raises:
      ValueError, KeyError, TypeError: it is none.
    """
    known = json.loads(text)
    return Findings(
        [(int(a), int(b), float(c)) for a, b, c in known["suspects"]],
        [(int(a), int(b), bool(c), float(d)) for a, b, c, d in known["pairs"]],
        [int(place) for place in known["leaks"]],
        [(int(a), float(b), [float(recall) for recall in c]) for a, b, c in known["curve"]],
        [str(line) for line in known["missing"]],
    )


class _Pipe:
    """A pipe that NumPy does not take for a file: it would ask for the position in it."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.write = self.read = call


def end_with_parent() -> None:
    """Asks Linux to end this process with the thread that started it; elsewhere its input does that, a little later."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _end_with_input() -> None:
    """Waits until standard input ends, which is when the other process has, and ends this one."""
    while os.read(sys.stdin.fileno(), 1):  # not through Python's buffer, which it locks
        pass
    os._exit(1)


def main() -> None:
    """Reads a Task, prints Findings."""
    end_with_parent()
    answer, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is no answer
    pipe = _Pipe(sys.stdin.buffer.read)
    task = Task(*(np.lib.format.read_array(pipe, allow_pickle=False) for _ in dataclasses.fields(Task)))
    threading.Thread(target=_end_with_input, daemon=True).start()
    findings = find(task)
    answer.write(json.dumps(dataclasses.asdict(findings)))
    answer.flush()
    answer.close()
    os._exit(0)  # the thread that waits for the input would hold up Python's own end


if __name__ == "__main__":
    main()
