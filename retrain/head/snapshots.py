"""The whole state of a training in, one `.npz` without pickle out, and back: `--snapshot_steps` and `--resume`.

A snapshot knows what was asked for and what it was trained on; with another plan or other features it is refused, since
what came out were the result of neither.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError, UserError
from retrain.atomic import replacing
from retrain.plan import Plan

FORMAT = 1
_ASKED = (
    "optimizer", "learning_rate", "momentum", "weight_decay", "lr_policy", "gamma", "power", "stepsize", "hidden_units",
    "activation", "dropout", "label_smoothing", "class_weights", "early_stopping_steps", "eval_step_interval",
    "train_batch_size", "validation_batch_size", "seed",
)  # fmt: skip


@dataclass(frozen=True)
class Snapshot:
    """What training is made of between two steps."""

    asked: dict[str, Any]  # what of the plan decides about the steps
    digest: str  # of the features and labels, hex
    state: dict[str, Any]  # JSON's types; "steps" are how many it has
    arrays: dict[str, npt.NDArray[Any]]

    def check(self, path: Path, asked: dict[str, Any], digest: str, steps: int) -> None:
        """Refuses to go on with something else.

        Args:
          path: where it was read from, for the error.
          asked: what the plan asks for now.
          digest: of the features and labels now.
          steps: how many are wanted now.

        Raises:
          UserError: naming what differs.
        """
        for name, value in asked.items():
            if self.asked.get(name) != value:
                raise UserError(
                    f"cannot resume from {path}: it was made with {_shown(name, self.asked.get(name))}, and now it is {_shown(name, value)}; give the same, or leave out --resume"
                )
        if self.digest != digest:
            raise UserError(
                f"cannot resume from {path}: it was trained on other photos, lists or features; give the same --image_dir, network and split, or leave out --resume"
            )
        if self.state["steps"] >= steps:
            raise UserError(
                f"cannot resume from {path}: it has {self.state['steps']} steps already, --how_many_training_steps={steps}; ask for more"
            )


def asked_of(plan: Plan) -> dict[str, Any]:
    """What of a plan decides about the steps: name -> value. How many there are does only where the rate follows them."""
    more = ("how_many_training_steps",) if plan.lr_policy == "cosine" else ()
    return {name: getattr(plan, name) for name in (*_ASKED, *more)}


def digest_of(arrays: Iterable[npt.NDArray[Any]]) -> str:
    """The sha256 of arrays' shapes and bytes, hex."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def snapshot_path(plan: Plan, steps: int) -> Path:
    """Where the snapshot of so many steps goes.

    >>> snapshot_path(Plan(image_dir="x", checkpoint_path="a/b"), 100).as_posix()
    'a/b_step_100.npz'
    """
    return Path(f"{plan.checkpoint_path}_step_{steps}.npz")


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Writes the file.

    Raises:
      RunError: it can not be written.
    """
    meta = {"format": FORMAT, "asked": snapshot.asked, "digest": snapshot.digest, "state": snapshot.state}
    try:
        with replacing(path) as scratch, scratch.open("wb") as file:
            arrays: dict[str, Any] = {"meta": np.array(json.dumps(meta)), **snapshot.arrays}
            np.savez(file, **arrays)
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror or error}; make room, or leave out --snapshot_steps"
        ) from None


def read_snapshot(path: Path) -> Snapshot:
    """Reads the file.

    Raises:
      UserError: there is none, or it is no whole snapshot.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        meta = json.loads(str(arrays.pop("meta")))
        if meta["format"] != FORMAT:
            raise UserError(f"cannot resume from {path}: it has format {meta['format']}, this tool reads {FORMAT}")
        return Snapshot(meta["asked"], meta["digest"], meta["state"], arrays)
    except FileNotFoundError:
        raise UserError(f"cannot resume from {path}: there is no such file; --snapshot_steps writes them") from None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        MemoryError,
        RecursionError,
        zipfile.BadZipFile,
    ):
        raise UserError(
            f"cannot resume from {path}: it is no whole snapshot; give one that --snapshot_steps wrote"
        ) from None


def _shown(name: str, value: Any) -> str:
    return f"no --{name}" if value in (None, "") else f"--{name}={value}"
