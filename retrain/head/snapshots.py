"""Writes and reads snapshots: the whole state of a training in one `.npz` without pickle, for --snapshot_steps and --resume.

A snapshot contains the options and a digest of the features of its training. It is refused if the current ones differ, because the
result would match neither. It also contains a digest of its own content, and its arrays must have the names, shapes and types that
the resumed training expects, so that a damaged snapshot is refused here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError, UserError
from retrain.files.atomic import replacing

FORMAT = 2  # since format 2 there is a digest of the content
_OF_ANY_LENGTH = ("points", "sampler_")  # arrays with a row for each evaluation or batch


@dataclass(frozen=True)
class Snapshot:
    """The state of a training between two steps."""

    asked: dict[str, Any]  # the options that affect the steps, with their values
    digest: str  # digest of the features and labels, hex
    state: dict[str, Any]  # JSON values; "steps" is the number of steps made
    arrays: dict[str, npt.NDArray[Any]]

    def check(self, path: Path, asked: Mapping[str, Any], digest: str, steps: int) -> None:
        """Refuses a snapshot that was made with different settings or photos.

        Args:
          path: where it was read from, for the error.
          asked: the current settings.
          digest: the digest of the current features and labels.
          steps: the number of steps requested now.

        Raises:
          UserError: the message names what differs.
        """
        for name, value in asked.items():
            if self.asked.get(name) != value:
                raise UserError(
                    f"cannot resume from {path}: it was made with {_shown(name, self.asked.get(name))}, and now it is {_shown(name, value)}; give the same, or leave out --resume"
                )
        if self.digest != digest:
            raise UserError(
                f"cannot resume from {path}: it was trained on other photos, subsets or features (those change with the versions of Pillow and LiteRT too); give the same --image_dir, network and split, or leave out --resume"
            )
        done = self.state.get("steps") if isinstance(self.state, dict) else None
        if not isinstance(done, int):
            raise damaged(path)
        if done >= steps:
            raise UserError(
                f"cannot resume from {path}: it has {done} steps already, --how_many_training_steps={steps}; ask for more"
            )

    def check_like(self, path: Path, fresh: Snapshot) -> None:
        """Refuses a state that does not match the training.

        Args:
          path: where it was read from, for the error.
          fresh: the state of the training that resumes, before its first step.

        Raises:
          UserError: a name, shape or type differs.
        """
        wanted = dict(fresh.arrays)
        if self.state.get("kept"):
            parameters = [name for name in fresh.arrays if name.startswith(("parameter_", "weight_"))]
            wanted |= {f"kept_{name.rpartition('_')[2]}": fresh.arrays[name] for name in parameters}
        alike = self.arrays.keys() == wanted.keys() and all(
            _alike(name, self.arrays[name], array) for name, array in wanted.items()
        )
        if not alike or self.state.keys() != fresh.state.keys():
            raise damaged(path)


def damaged(path: Path) -> UserError:
    """Returns the error for a file that is not a snapshot, or is damaged."""
    return UserError(f"cannot resume from {path}: it is not a complete snapshot; give one that --snapshot_steps wrote")


def _alike(name: str, found: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> bool:
    skipped = 1 if name.startswith(_OF_ANY_LENGTH) else 0
    return found.dtype == wanted.dtype and found.ndim == wanted.ndim and found.shape[skipped:] == wanted.shape[skipped:]


def digest_of(arrays: Iterable[npt.NDArray[Any]]) -> str:
    """Computes the SHA-256 of the shapes and bytes of arrays, hex."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def snapshot_path(checkpoint: str, steps: int) -> Path:
    """Returns the path of the snapshot after `steps` steps; `checkpoint` is a path without a file extension.

    >>> snapshot_path("a/b", 100).as_posix()
    'a/b_step_100.npz'
    """
    return Path(f"{checkpoint}_step_{steps}.npz")


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Writes the file.

    Raises:
      RunError: it cannot be written.
    """
    meta = {"format": FORMAT, "asked": snapshot.asked, "digest": snapshot.digest, "state": snapshot.state}
    meta["content"] = _content(meta, snapshot.arrays)
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
      UserError: the file does not exist, or is not a complete snapshot.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        meta = json.loads(str(arrays.pop("meta")))
        version, content = meta["format"], meta.pop("content", "")
        if isinstance(version, int) and version == FORMAT and content != _content(meta, arrays):
            raise damaged(path)
        snapshot = Snapshot(meta["asked"], meta["digest"], meta["state"], arrays)
    except FileNotFoundError:
        raise UserError(f"cannot resume from {path}: there is no such file; --snapshot_steps writes them") from None
    except PermissionError as error:
        raise UserError(f"cannot resume from {path}: {error.strerror}; change its permissions") from None
    except Exception:  # for damaged bytes, the readers of zip, npy and JSON may raise any exception
        raise damaged(path) from None
    if version != FORMAT:
        raise UserError(
            f"cannot resume from {path}: it has format {str(version)[:20]}, this tool reads {FORMAT}; train again"
        )
    return snapshot


def _content(meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> str:
    """Computes a digest of the whole content of a snapshot, hex."""
    names = sorted(arrays)
    digest = digest_of(arrays[name] for name in names)
    return hashlib.sha256(json.dumps([meta, names, digest], sort_keys=True).encode()).hexdigest()


def _shown(name: str, value: Any) -> str:
    return f"no --{name}" if value in (None, "") else f"--{name}={value}"
