"""Prepares the folders of the robustness tests: two small sets of real photos, real weights, and results of earlier runs.

The command lines of the programs make everything, as a user would, and each trial gets a copy.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[2]
NETWORK = "mobilenet_0.25_128"  # the smallest with real weights, so that a second run takes one second
CLASSES = {"a": ("daisy", "roses", "tulips"), "b": ("dandelion", "roses", "sunflowers")}
MARK = "TORTURE_TRIAL"  # an environment variable that all processes of a trial inherit
_STEPS = 200
Item = TypeVar("Item")


@dataclass(frozen=True)
class Ended:
    """The result of a process."""

    status: int  # negative if a signal ended it
    output: str
    errors: str

    @property
    def last(self) -> str:
        """Returns the last line on its standard error."""
        return (self.errors.strip() or self.output.strip()).rpartition("\n")[2][:200]


@dataclass(frozen=True)
class Ground:
    """The data of the robustness tests.

    Args:
      photos: the real photos, a folder a class.
      models: the original archives of MobileNet.
      scratch: an empty folder.
      seed: of whatever is drawn.
      scale: 1 is the full size of each kind; the tests take a hundredth.
    """

    photos: Path
    models: Path
    scratch: Path
    seed: int = 0
    scale: float = 1.0

    def times(self, full: int, least: int = 1) -> int:
        """Scales a number of trials by `scale`."""
        return max(least, round(full * self.scale))

    def rng(self, *numbers: int) -> np.random.Generator:
        """Returns a random generator for one trial; the same seed and numbers give the same trial."""
        return np.random.default_rng([self.seed, *numbers])

    def folder(self, name: str) -> Path:
        """Makes an empty folder."""
        path = self.scratch / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def some_photos(self, which: str, each: int = 10) -> Path:
        """Returns a folder with a number of photos of each of CLASSES[which]; it is made once."""
        folder = self.scratch / f"photos_{which}_{each}"
        if not folder.exists():
            for label in CLASSES[which]:
                (folder / label).mkdir(parents=True)
                for photo in itertools.islice(sorted((self.photos / label).glob("*.jpg")), each):
                    shutil.copyfile(photo, folder / label / photo.name)
        return folder

    def retrain(self, which: str, *more: str) -> list[str]:
        """Returns the command line of a training on one of the two sets of photos."""
        return [
            "retrain", f"--image_dir={self.some_photos(which)}", f"--architecture={NETWORK}", f"--model_dir={self.scratch / 'models'}",
            f"--how_many_training_steps={_STEPS}", "--offline", *more,
        ]  # fmt: skip

    def home(self, *trainings: str) -> Path:
        """Returns a folder in which these trainings ran, one after the other; it is made once, so copy it before use."""
        folder = self.scratch / f"home_{''.join(trainings)}"
        if not folder.exists():
            self._copy_models()
            folder.mkdir()
            for which in trainings:
                done = run(self.retrain(which), folder)
                if done.status:
                    raise RuntimeError(f"cannot prepare the folders of the tests: {done.errors}{done.output[-2000:]}")
        return folder

    def copy_of(self, home: Path, name: str) -> Path:
        """Copies a folder for one trial; links stay links."""
        target = self.scratch / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(home, target, symlinks=True)
        return target

    def _copy_models(self) -> None:
        target = self.scratch / "models"
        if not target.exists():
            target.mkdir()
            for archive in self.models.glob("*0.25_128*"):
                shutil.copyfile(archive, target / archive.name)


def environment(trial: str = "") -> dict[str, str]:
    """Returns the environment for the processes of a trial, marked with its name."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", MARK: trial}


def run(words: Sequence[str], folder: Path, trial: str = "", timeout_s: float = 120) -> Ended:
    """Runs `python -m WORDS` in a folder to its end."""
    command = [sys.executable, "-m", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment(trial), capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def alive(trial: str) -> list[int]:
    """Returns the processes of a trial that still run; [] if the system has no /proc."""
    mark = f"{MARK}={trial}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (place / "environ").read_bytes().split(b"\0") and b") Z " not in (place / "stat").read_bytes():
                found.append(int(place.name))
        except OSError:  # it ended, or belongs to another user
            continue
    return found


def outlived(trial: str, patience_s: float = 3.0) -> bool:
    """Whether a process of a trial still runs after some time."""
    end = time.monotonic() + patience_s
    while alive(trial):
        if time.monotonic() > end:
            return True
        time.sleep(0.05)
    return False


def in_pairs(work: Callable[[Item], None], items: Iterable[Item]) -> None:
    """Calls a function for each item, two at a time; the first exception ends it."""
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(work, items):
            pass


def weights_of(folder: Path) -> npt.NDArray[np.float32] | None:
    """Returns the trained layer in the newest set of a folder; None if there is none."""
    path = folder / "tf_files/retrain_checkpoint.npz"
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        return np.asarray(arrays["weights"])
