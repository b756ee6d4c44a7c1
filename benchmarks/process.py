"""Runs a Python program; measures the time and the peak memory of its process, and returns its output.

A small process starts it, because a child process begins with the peak memory of its parent.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Done:
    """The result of a process."""

    seconds: float
    peak_mb: float  # peak resident memory of the process or of its largest child; 0 if the system does not measure it
    output: str  # of standard output
    errors: str  # of standard error


def run(arguments: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Done:
    """Runs `python ARGUMENTS` in a folder from start to end.

    Raises:
      RuntimeError: it failed; with what it said last.
    """
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.json")
        command = [sys.executable, "-I", "-S", __file__, str(report), sys.executable, *arguments]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        full = {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", **(env or {})}
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=full)
        if done.returncode:
            raise RuntimeError(f"python {' '.join(arguments)}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}")
        return Done(**json.loads(report.read_text("ascii")), output=done.stdout, errors=done.stderr)


def _launch(report: Path, command: list[str]) -> int:
    start = time.perf_counter()
    code = subprocess.run(command, check=False).returncode
    figures = {"seconds": time.perf_counter() - start, "peak_mb": _peak_mb()}
    report.write_text(json.dumps(figures), "ascii")
    return code


def _peak_mb() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    sys.exit(_launch(Path(sys.argv[1]), sys.argv[2:]))
