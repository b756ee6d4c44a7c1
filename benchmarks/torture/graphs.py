"""Damages the bytes of classifiers of all kinds, opens them and runs them on a photo.

A trial passes if the program returns finite scores or prints a one-line error, without a crash, a traceback or hanging. A
damaged classifier that still runs may give another label, because nothing in such a file reveals the damage.
"""

from __future__ import annotations

import contextlib
import json
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.torture import fields
from benchmarks.torture.ground import Ground, environment, in_pairs
from benchmarks.torture.mutate import mutated
from benchmarks.torture.tally import Tally

GRAPHS = 1000
_PATIENCE_S = 60.0  # limit for one file; the first one also imports TensorFlow
_TFLITE_SHARE = 0.6  # fraction of the trials; the other kinds share the rest
_OTHERS = ("*.pb", "*.h5", "*.keras")
_LARGEST = 3_000_000  # bytes
_WITH_FIELDS = (".tflite", ".lite", ".pb")


def tried(ground: Ground) -> Tally:
    """Opens damaged classifiers in two processes."""
    tally = Tally("graphs", "damaged .tflite, .pb, .h5, .keras and SavedModel classifiers, opened and run")
    light, heavy = originals(ground)
    count = ground.times(GRAPHS, 6)
    lights = round(count * _TFLITE_SHARE)
    trials = [(number, light if number < lights else heavy) for number in range(count)]
    halves = [trials[0::2], trials[1::2]]

    def half(which: int) -> None:
        with contextlib.closing(Opener(ground)) as opener:
            for number, files in halves[which]:
                file = files[number % len(files)]
                path = damaged(file, ground, number)
                tally.add(opener.problem(path), f"graph {number}, {file.name}")
                _remove(path)

    in_pairs(half, range(2))
    return tally.done()


def originals(ground: Ground) -> tuple[list[Path], list[Path]]:
    """Returns the intact files for LiteRT, and those for TensorFlow."""
    ours = ground.home("a") / "tf_files"
    strangers = ground.models.parent / "retrained"
    light = [ours / "retrained.tflite", *_files(strangers, "*.tflite"), *_files(strangers, "*.lite")]
    heavy = [ours / "retrained_graph.pb", *(file for form in _OTHERS for file in _files(strangers, form))]
    folders = [path.parent for path in strangers.rglob("saved_model.pb")]
    return light, [path for path in heavy if path.name != "saved_model.pb"] + sorted(folders)


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.rglob(pattern) if path.stat().st_size <= _LARGEST)


def damaged(file: Path, ground: Ground, number: int) -> Path:
    """Makes a damaged copy; in a SavedModel, one of its files is damaged."""
    rng = ground.rng(30, number)
    copy = ground.scratch / f"graph_{number}{file.suffix}"
    if file.is_dir():
        shutil.copytree(file, copy)
        parts = sorted(part for part in copy.rglob("*") if part.is_file())
        part = parts[int(rng.integers(len(parts)))]
        part.write_bytes(mutated(part.read_bytes(), rng))
    elif file.suffix in _WITH_FIELDS and rng.integers(2):  # half of them in fields that a runtime trusts, half anywhere
        copy.write_bytes(fields.mutated(file.read_bytes(), number))
    else:
        copy.write_bytes(mutated(file.read_bytes(), rng))
    return copy


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


class Opener:
    """A process that opens one file after another; after a crash, a new process continues."""

    def __init__(self, ground: Ground) -> None:
        self._photo = next(iter(sorted(ground.some_photos("a").glob("*/*.jpg"))))
        self._process: subprocess.Popen[str] | None = None

    def problem(self, path: Path) -> str:
        """Returns what went wrong with a file; "" if nothing did."""
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], _PATIENCE_S)[0]:
            self.close()
            return f"no answer after {_PATIENCE_S:g} s"
        line = process.stdout.readline()
        if line:
            return str(json.loads(line)["problem"])
        status = process.wait()
        self.close()
        return f"the process died ({status})"

    def close(self) -> None:
        """Ends the process."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.torture.opened", str(self._photo)], env=environment("graphs"), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def sound(ground: Ground) -> Iterator[tuple[Path, str]]:
    """Returns each intact file with the errors found in it; a test checks with it that there are none."""
    light, heavy = originals(ground)
    with contextlib.closing(Opener(ground)) as opener:
        for file in (*light, *heavy):
            yield file, opener.problem(file)
