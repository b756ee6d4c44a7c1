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
NETWORK = "mobilenet_0.25_128"  # the smallest with real weights: a second run takes a second
CLASSES = {"a": ("daisy", "roses", "tulips"), "b": ("dandelion", "roses", "sunflowers")}
MARK = "TORTURE_TRIAL"  # in the environment of whatever a trial starts, also of children's children
_STEPS = 200
Item = TypeVar("Item")


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    status: int  # negative where a signal ended it
    output: str
    errors: str

    @property
    def last(self) -> str:
        """The last line of what it complained of."""
        return (self.errors.strip() or self.output.strip()).rpartition("\n")[2][:200]


@dataclass(frozen=True)
class Ground:
    """What each kind of force works on.

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
        """How often something is tried."""
        return max(least, round(full * self.scale))

    def rng(self, *numbers: int) -> np.random.Generator:
        """A generator for one trial: the same seed and numbers give the same trial."""
        return np.random.default_rng([self.seed, *numbers])

    def folder(self, name: str) -> Path:
        """An empty folder."""
        path = self.scratch / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def some_photos(self, which: str, each: int = 10) -> Path:
        """A folder of photos, so many of each of CLASSES[which]; made once."""
        folder = self.scratch / f"photos_{which}_{each}"
        if not folder.exists():
            for label in CLASSES[which]:
                (folder / label).mkdir(parents=True)
                for photo in itertools.islice(sorted((self.photos / label).glob("*.jpg")), each):
                    shutil.copyfile(photo, folder / label / photo.name)
        return folder

    def retrain(self, which: str, *more: str) -> list[str]:
        """The words of a training on one of the two sets of photos."""
        return [
            "retrain", f"--image_dir={self.some_photos(which)}", f"--architecture={NETWORK}", f"--model_dir={self.scratch / 'models'}",
            f"--how_many_training_steps={_STEPS}", "--offline", *more,
        ]  # fmt: skip

    def home(self, *trainings: str) -> Path:
        """A folder in which those trainings were done, one after the other; made once, so copy it before use."""
        folder = self.scratch / f"home_{''.join(trainings)}"
        if not folder.exists():
            self._copy_models()
            folder.mkdir()
            for which in trainings:
                done = run(self.retrain(which), folder)
                if done.status:
                    raise RuntimeError(f"the ground could not be prepared: {done.errors}{done.output[-2000:]}")
        return folder

    def copy_of(self, home: Path, name: str) -> Path:
        """A copy of a folder, links as links, for one trial."""
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
    """The environment of what is started, marked with the trial's name."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", MARK: trial}


def run(words: Sequence[str], folder: Path, trial: str = "", timeout_s: float = 120) -> Ended:
    """`python -m WORDS` in a folder, to its end."""
    command = [sys.executable, "-m", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment(trial), capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def alive(trial: str) -> list[int]:
    """The processes that a trial started and that still run; [] where the system does not tell (no /proc)."""
    mark = f"{MARK}={trial}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (place / "environ").read_bytes().split(b"\0") and b") Z " not in (place / "stat").read_bytes():
                found.append(int(place.name))
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return found


def outlived(trial: str, patience_s: float = 3.0) -> bool:
    """Whether something that a trial started still runs after a while."""
    end = time.monotonic() + patience_s
    while alive(trial):
        if time.monotonic() > end:
            return True
        time.sleep(0.05)
    return False


def in_pairs(work: Callable[[Item], None], items: Iterable[Item]) -> None:
    """Does work on items, two at a time; the first exception ends it."""
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(work, items):
            pass


def weights_of(folder: Path) -> npt.NDArray[np.float32] | None:
    """The trained layer that a folder's newest set holds; None where there is none."""
    path = folder / "tf_files/retrain_checkpoint.npz"
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        return np.asarray(arrays["weights"])
