"""A Job in, its run's record out: `python -m retrain` in a clean process and a folder of its own.

The process is waited for by the system's own call, which tells its peak memory. What the run leaves beside its record and
its features is thrown away.
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

import retrain
from label_image.errors import RunError, UserError
from label_image.flags import flag_fields
from label_image.workers import cores
from retrain.compare.asked import Job
from retrain.options.options import Options

_ROOT = Path(retrain.__file__).resolve().parent.parent
_FOLDERS = ("image_dir", "model_dir", "bottleneck_dir")
_NOT_WRITTEN = ("output_graph", "summaries_dir", "checkpoint_path")
_KIB = 1 if sys.platform == "darwin" else 1024  # macOS counts peak memory in bytes, Linux in KiB


@dataclass(frozen=True)
class Done:
    """What a process left."""

    record: Path  # run.json
    wall_s: float  # from start to end, Python's own start included
    peak_bytes: int | None  # of main memory; None where the system does not tell


def busy() -> str:
    """A line where other programs are at work on this machine; empty where they are not, or it can not be told."""
    waiting = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0  # programs at work, mean of the last minute
    if waiting < cores() / 2:
        return ""
    return (
        f"other programs are at work on this machine (load {waiting:.1f} on {cores()} cores), so seconds say little; "
        "compare again when it is idle"
    )


def make_ready(jobs: Sequence[Job]) -> None:
    """Finds the devices and makes the networks ready, before anything is timed.

    Raises:
      UserError: of the class and with the line that the run would end with.
    """
    all_options = json.dumps([_at_home(job.options).flat() for job in jobs])
    command = [sys.executable, "-m", "retrain.compare.ready"]
    done = subprocess.run(  # noqa: S603 - our own module
        command, input=all_options, env=_environment(), stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise _failure(done.returncode, done.stderr)


def run(job: Job, folder: Path, bottleneck_dir: Path) -> Done:
    """Makes one run.

    Args:
      job: what.
      folder: a new folder for what it writes.
      bottleneck_dir: where its features are kept; new where their making is timed.

    Raises:
      UserError: the run failed; its own line says how.
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
    """Waits for the end; the peak of its resident memory in bytes."""
    if not hasattr(os, "wait4"):  # Windows
        process.wait()
        return None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * _KIB


def _words(options: Options) -> list[str]:
    """The command line of a plan: what is not as by default, and where nothing is to be written."""
    nothing: dict[str, Any] = dict.fromkeys(_NOT_WRITTEN, "")
    options = _at_home(options).replaced(report="none", **nothing)
    words = []
    for field in flag_fields(Options):
        value = options.value(field.name)
        if value != field.default:
            several = value if isinstance(value, tuple) else (value,)
            words += [f"--{field.name}={each}" for each in several]
    return words


def _at_home(options: Options) -> Options:
    """The same with whole paths: a run stands in a folder of its own."""
    home: dict[str, Any] = {name: str(Path(options.value(name)).absolute()) for name in _FOLDERS}
    if options.network.tfhub_module and Path(options.network.tfhub_module).exists():
        home["tfhub_module"] = str(Path(options.network.tfhub_module).absolute())
    return options.replaced(**home)


def _environment() -> dict[str, str]:
    others = [str(Path(path).absolute()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), *others])}


def _failure(status: int, stderr: str, whose: str = "") -> UserError:
    """The error that a process ended with: its one line."""
    lines = [line for line in stderr.strip().splitlines() if line]
    said = lines[-1].removeprefix("retrain: ") if lines else f"ended with status {status} and said nothing"
    return (UserError if status == 2 else RunError)(f"{whose}{said}")
