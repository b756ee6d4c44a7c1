"""Runs ten programs with five kinds of unusual output streams.

A trial passes if there is no traceback, and if the exit status is that with ordinary streams (or 1 or 2, if a message could
not be written).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.torture.ground import Ground, environment, in_pairs, run
from benchmarks.torture.tally import Tally

_FULL = Path("/dev/full")


@dataclass(frozen=True)
class Stream:
    """One way to start a program."""

    name: str
    shell: str = ""  # redirections of the shell
    env: Mapping[str, str] = field(default_factory=dict)
    may_fail: bool = False  # exit status 1 or 2 is allowed, because the output cannot be written


STREAMS = (
    Stream("standard output closed", ">&-", may_fail=True),
    Stream("standard error closed", "2>&-"),
    Stream("a full disk", f">{_FULL}", may_fail=True),
    Stream("ASCII", env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}),
    Stream("cp1252", env={"PYTHONIOENCODING": "cp1252"}),
)


def programs(ground: Ground) -> dict[str, list[str]]:
    """Returns ten programs with a small job each, in a folder with a training; some names cannot be shown on these streams."""
    photos = ground.some_photos("a")
    photo = str(next(iter(sorted(photos.glob("*/*.jpg")))))
    return {
        "retrain": ground.retrain("a", "--report=none"),
        "label_image": ["label_image", f"--image={photo}", "--image=写真.jpg"],
        "label_image --describe": ["label_image", "--describe=tf_files/retrained.tflite"],
        "retrain.convert": ["retrain.convert", "csv", "photos.csv", "写真", f"--root={photos}"],
        "retrain.cache": ["retrain.cache", "import", "写真", f"--image_dir={photos}"],
        "retrain.compare": ["retrain.compare", "写真"],
        "retrain.report": ["retrain.report"],
        "retrain.runs": ["retrain.runs", "list"],
        "retrain.samples": ["retrain.samples", "--out=写真_samples", "--count=2"],
        "retrain.flower_photos": ["retrain.flower_photos", "--help"],
    }


def tried(ground: Ground) -> Tally:
    """Runs each program with each stream."""
    tally = Tally("streams", "ten programs with output closed, errors closed, full disk, ASCII, cp1252")
    jobs = programs(ground)
    pairs = [(name, stream) for stream in STREAMS for name in jobs]
    pairs = pairs[: max(2, round(len(pairs) * min(1.0, ground.scale)))]
    names = dict.fromkeys(name for name, _ in pairs)
    usual = {name: run(jobs[name], _place(ground, f"usual_{place}")).status for place, name in enumerate(names)}
    trials = [(number, name, stream) for number, (name, stream) in enumerate(pairs)]

    def one(trial: tuple[int, str, Stream]) -> None:
        number, name, stream = trial
        if stream.name == "a full disk" and not _FULL.exists():
            return
        tally.add(
            _problem(jobs[name], stream, usual[name], _place(ground, f"stream_{number}")), f"{name}, {stream.name}"
        )

    in_pairs(one, trials)
    return tally.done()


def _place(ground: Ground, name: str) -> Path:
    folder = ground.copy_of(ground.home("a"), name)
    photos = ground.some_photos("a")
    rows = [f"{path.relative_to(photos)},{path.parent.name}" for path in sorted(photos.glob("*/*.jpg"))]
    (folder / "photos.csv").write_text("path,label\n" + "\n".join(rows) + "\n", "utf-8")
    return folder


def _problem(words: list[str], stream: Stream, usual: int, folder: Path) -> str:
    command = [sys.executable, "-m", *words]
    said = folder / "said.txt"
    shell = ["sh", "-c", f'"$@" 2>{said} {stream.shell}', "sh", *command]
    done = subprocess.run(
        shell, cwd=folder, env={**environment(), **stream.env}, check=False, timeout=120, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    errors = said.read_bytes().decode("utf-8", "replace")
    if "Traceback" in errors:
        return f"a traceback: {errors.strip().splitlines()[-1][:200]}"
    allowed = {usual, 1, 2} if stream.may_fail else {usual}
    if done.returncode not in allowed:
        return f"exit status {done.returncode} instead of {usual}: {errors.strip()[-200:]}"
    return ""
