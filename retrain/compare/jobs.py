"""Runs a job: starts `python -m retrain` in a new process and a folder of its own, and returns the record of the run.

The process is waited for with `wait4`, which returns its peak memory. All files of the run except its record and its
features are deleted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_image.errors import RunError, UserError
from label_image.flags import flag_fields
from label_image.workers import cores
from retrain.compare.asked import Job
from retrain.options.options import Options

_ROOT = Path(__file__).resolve().parents[2]
_FOLDERS = ("image_dir", "model_dir", "bottleneck_dir")
_NOT_WRITTEN = ("output_graph", "summaries_dir", "checkpoint_path")
_KIB = 1 if sys.platform == "darwin" else 1024  # macOS counts peak memory in bytes, Linux in KiB


@dataclass(frozen=True)
class Done:
    """The result of a process."""

    record: Path  # run.json
    wall_s: float  # from start to end, including the start of Python
    peak_bytes: int | None  # peak main memory; None if the system does not measure it


def busy() -> str:
    """Returns a warning if other programs use this machine; "" if they do not, or it cannot be determined."""
    waiting = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0  # running programs, mean of the last minute
    if waiting < cores() / 2:
        return ""
    return (
        f"other programs are using this machine (load {waiting:.1f} on {cores()} cores), so the times are unreliable; "
        "compare again when it is idle"
    )


def make_ready(jobs: Sequence[Job]) -> None:
    """Checks the devices and prepares the networks before anything is timed.

    Raises:
      UserError: with the message that the run would end with.
    """
    all_options = json.dumps([_with_full_paths(job.options).flat() for job in jobs])
    command = [sys.executable, "-m", "retrain.compare.ready"]
    done = subprocess.run(  # noqa: S603 - our own module
        command, input=all_options, env=_environment(), stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise _failure(done.returncode, done.stderr)


def run(job: Job, folder: Path, bottleneck_dir: Path) -> Done:
    """Makes one run.

    Args:
      job: the run to make.
      folder: a new folder for the files that it writes.
      bottleneck_dir: the store of its features; a new one if the computation of features is timed.

    Raises:
      UserError: the run failed; the message is that of the run.
    """
    folder.mkdir()
    command = [
        sys.executable,
        "-m",
        "retrain",
        *_words(job.options.replaced(bottleneck_dir=str(bottleneck_dir))),
    ]
    with (folder / "out.txt").open("wb") as out, (folder / "err.txt").open("wb") as err:
        start = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, cwd=folder, env=_environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        try:
            peak = _wait(process)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall = time.perf_counter() - start
    if process.returncode:
        raise _failure(process.returncode, (folder / "err.txt").read_text("utf-8", "replace"), f"the run {job.name}: ")
    (record,) = folder.glob("tf_files/runs/*/run.json")
    return Done(record, wall, peak)


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    """Waits for the process to end; returns its peak resident memory in bytes."""
    if not hasattr(os, "wait4"):  # Windows
        process.wait()
        return None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * _KIB


def _words(options: Options) -> list[str]:
    """Returns the command line for options: those that differ from their defaults, and those that prevent output files."""
    nothing: dict[str, Any] = dict.fromkeys(_NOT_WRITTEN, "")
    options = _with_full_paths(options).replaced(report="none", **nothing)
    words = []
    for field in flag_fields(Options):
        value = options.value(field.name)
        if value != field.default:
            several = value if isinstance(value, tuple) else (value,)
            words += [f"--{field.name}={each}" for each in several]
    return words


def _with_full_paths(options: Options) -> Options:
    """Returns the options with absolute paths, because each run has a working folder of its own."""
    home: dict[str, Any] = {name: str(Path(options.value(name)).absolute()) for name in _FOLDERS}
    if options.network.tfhub_module and Path(options.network.tfhub_module).exists():
        home["tfhub_module"] = str(Path(options.network.tfhub_module).absolute())
    return options.replaced(**home)


def _environment() -> dict[str, str]:
    others = [str(Path(path).absolute()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), *others])}


def _failure(status: int, stderr: str, whose: str = "") -> UserError:
    """Returns the error with which a process ended; its message is the last line that the process printed."""
    lines = [line for line in stderr.strip().splitlines() if line]
    message = lines[-1].removeprefix("retrain: ") if lines else f"ended with status {status} without a message"
    return (UserError if status == 2 else RunError)(f"{whose}{message}")
