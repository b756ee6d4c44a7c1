"""Runs an audit in a process of its own while training runs.

Training keeps one core busy, and the audit uses another. In a thread it would slow down training, which consists of
Python code and small matrix products.

    python -m retrain.audit.worker    reads arrays as .npy from standard input, writes JSON to standard output

The process ends when the process that started it ends, whatever the reason. Its standard input stays open until then.
On Linux the system is also asked to end it, because the thread that waits for the input may not run for a long time.
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

from retrain.audit.findings import AuditFindings, Task, find

_ROOT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 600
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class AuditError(Exception):
    """The process returned no findings. The message is one line."""


class Worker:
    """An audit that runs in a child process from the moment it is made. Close it after use.

    Args:
      task: the photos.

    The child ignores Ctrl-C, which is meant for the parent, and ends when its input ends, also if the parent is killed.
    Make it in the main thread: Linux ends the child together with the thread that started it.

    Raises:
      OSError: the process cannot be started.
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
                # One thread, on the core that training leaves free. Two threads slowed each other: 41 s, not 11 s, for 20,000.
                env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        except OSError:
            self._errors.close()
            raise
        self._answer = b""
        self._talk = threading.Thread(target=self._ask, args=(task,), daemon=True)
        self._talk.start()

    def findings(self) -> AuditFindings:
        """Waits for the findings, and returns them.

        Raises:
          AuditError: the process failed.
        """
        self._talk.join(_TIMEOUT_S)
        if self._talk.is_alive():
            raise AuditError(f"it did not end within {_TIMEOUT_S} s")
        if self._process.wait() or not self._answer:
            self._errors.seek(0)
            said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
            raise AuditError(said[-1] if said else f"exit status {self._process.returncode}")
        return findings_of(self._answer)

    def close(self) -> None:
        """Ends the process, finished or not."""
        self._process.kill()
        self._process.wait()
        self._talk.join()
        self._errors.close()

    def _ask(self, task: Task) -> None:
        source, answer = self._process.stdin, self._process.stdout
        if source is None or answer is None:  # never happens: both are pipes
            return
        with answer:
            with contextlib.suppress(OSError):  # the child may have crashed; its exit status reports that
                for field in dataclasses.fields(task):
                    np.lib.format.write_array(_Pipe(source.write), getattr(task, field.name), allow_pickle=False)
                source.flush()
            self._answer = answer.read()
            with contextlib.suppress(OSError):
                source.close()  # only now, because the end of its input ends the child


def findings_of(text: str | bytes) -> AuditFindings:
    """Reads findings from JSON.

    Raises:
      ValueError, KeyError, TypeError: the text is not findings in JSON.
    """
    known = json.loads(text)
    return AuditFindings(
        [(int(a), int(b), float(c)) for a, b, c in known["suspects"]],
        [(int(a), int(b), bool(c), float(d)) for a, b, c, d in known["pairs"]],
        [int(place) for place in known["leaks"]],
        [(int(a), float(b), [float(recall) for recall in c]) for a, b, c in known["curve"]],
        [str(line) for line in known["missing"]],
    )


class _Pipe:
    """Wraps a pipe so that NumPy does not treat it as a file, whose position it would ask for."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.write = self.read = call


def end_with_parent() -> None:
    """Asks Linux to end this process with the thread that started it; on other systems the end of its input does so, later."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _end_with_input() -> None:
    """Waits until standard input ends, which happens when the parent process ends, and then ends this process."""
    while os.read(sys.stdin.fileno(), 1):  # not through Python's buffer, because reading would lock it
        pass
    os._exit(1)


def main() -> None:
    """Reads a Task from standard input and writes the AuditFindings to standard output."""
    end_with_parent()
    answer, sys.stdout = sys.stdout, sys.stderr  # keeps what libraries print out of the answer
    pipe = _Pipe(sys.stdin.buffer.read)
    task = Task(*(np.lib.format.read_array(pipe, allow_pickle=False) for _ in dataclasses.fields(Task)))
    threading.Thread(target=_end_with_input, daemon=True).start()
    findings = find(task)
    answer.write(json.dumps(dataclasses.asdict(findings)))
    answer.flush()
    answer.close()
    os._exit(0)  # Python's normal exit would wait for the thread that reads the input


if __name__ == "__main__":
    main()
