"""The folder of pretrained networks: where weights are looked for and downloaded to, and where the converted forms are kept.

It is --model_dir. Schools share it read-only; what is missing there goes to tf_files/models beside the user.
For each backbone three files, named after the digest of what it was made from: `.tflite` (headless, for LiteRT), `.pb`
(headless, for TensorFlow and the frozen export) and `.json` (what they take, and their digests). The `.json` is written
last; a file that does not have its digest is a miss, and said. What is made of a backbone (`quantized`) stands beside it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from label_image.errors import RunError
from retrain.backbones.frozen_graph import FrozenGraph
from retrain.backbones.table import DEFAULT_ARCHITECTURE, Architecture
from retrain.files.atomic import replacing
from retrain.files.hashing import file_digest
from retrain.types import Backbone

USUAL_MODEL_DIR = "tf_files/models"
BUILD = 5  # raise it when the same weights become another file


@dataclass(frozen=True)
class Weights:
    """Where a backbone's numbers are."""

    digest: str  # sha256 of all that they depend on
    source: str  # for people
    path: Path | None = None  # the file, archive or folder; None where a library brings them
    data: bytes = field(default=b"", repr=False)  # the file's bytes, or those of the archive's member


class KeptNetworks(Protocol):
    """Where networks are looked for and kept."""

    @property
    def model_dir(self) -> str: ...  # noqa: D102 - the flags of these names say it
    @property
    def offline(self) -> bool: ...  # noqa: D102


class ModelFolder:
    """The folder of pretrained networks, and the usual one beside it where that one is read-only.

    Args:
      model_dir: the folder.
      say: called with a line about a download, a folder that cannot be written, a damaged file.
      offline: never use the network.
    """

    def __init__(self, model_dir: str, say: Callable[[str], None], *, offline: bool = False) -> None:
        own, usual = Path(model_dir), Path(USUAL_MODEL_DIR)
        self._folders = (own, usual) if _read_only(own) else (own,)
        self._offline, self._say = offline, say

    @classmethod
    def of(cls, network: KeptNetworks, say: Callable[[str], None]) -> ModelFolder:
        """The folder that flags name; NetworkOptions, for example."""
        return cls(network.model_dir, say, offline=network.offline)

    @property
    def home(self) -> Path:
        """The folder that new files go to."""
        return self._folders[-1]

    def find(self, *names: str) -> Path | None:
        """The first of these files or folders that is there; a name may be a pattern."""
        found = (path for folder in self._folders for name in names for path in sorted(folder.glob(name)))
        return next(found, None)

    def place(self, name: str) -> Path:
        """Where a new file goes."""
        if len(self._folders) > 1:
            self._say(f"{self._folders[0]} cannot be written: {name} goes to {self.home}")
        return self.home / name

    def bring(self, url: str, path: Path, sha256: str | None = None) -> Path:
        """The file at `url`, brought to `path` if it is not there.

        Raises:
          RunError: it is not to be had; the line names the address, the place to put it, and what works at once.
        """
        from retrain.files.download import fetch

        try:
            return fetch(url, path, sha256, offline=self._offline, say=self._say)
        except RunError as error:
            looked = " and ".join(map(str, self._folders))
            raise RunError(
                f"no weights in {looked}; {error}; or use {DEFAULT_ARCHITECTURE}, which needs no download"
            ) from None

    def kept(self, row: Architecture, found: Weights) -> Backbone | None:
        """The backbone as it was kept; None if it was not, or not whole."""
        for folder in self._folders:
            stem = _stem(folder, row, found)
            if not _file(stem, ".json").exists():
                continue
            try:
                return _read(stem)
            except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self._say(f"the files {stem}.* are not as they were written; making them again")
        return None

    def keep(
        self, row: Architecture, found: Weights, frozen: FrozenGraph, tflite: bytes | None, why_no_tflite: str = ""
    ) -> Backbone:
        """Writes the ready forms.

        Raises:
          RunError: the folder cannot be written.
        """
        files = {".pb": frozen.graph.SerializeToString(deterministic=True)}
        if tflite is not None:
            files[".tflite"] = tflite
        fields: dict[str, Any] = {
            "name": row.name,
            "height_px": frozen.height_px,
            "width_px": frozen.width_px,
            "mean": frozen.mean,
            "std": frozen.std,
            "width": frozen.width,
            "input_layer": frozen.input_layer,
            "features_layer": frozen.features_layer,
            "why_no_tflite": why_no_tflite,
            "source": found.source,
            "licence": row.licence,
            "sha256": {suffix: hashlib.sha256(data).hexdigest() for suffix, data in files.items()},
        }
        files[".json"] = json.dumps(fields, indent=1).encode()
        stem = _stem(self.home, row, found)
        self.place(f"{stem.name}.*")
        try:
            for suffix, data in files.items():
                with replacing(_file(stem, suffix)) as scratch:
                    scratch.write_bytes(data)
            return _read(stem)
        except OSError as error:
            raise RunError(
                f"cannot keep {row.name} in {stem.parent}: {error.strerror or error}; choose another --model_dir"
            ) from None

    def derived(self, backbone: Backbone, suffix: str, make: Callable[[], bytes]) -> tuple[Path, str]:
        """A `.tflite` that was made from a backbone, and its sha256; made beside it if it is not there, or not whole.

        Args:
          backbone: one that is kept here.
          suffix: what was done to it: "int8-0a1b2c3d".
          make: gives the file's bytes.

        Raises:
          RunError: the folder cannot be written.
        """
        name = f"{backbone.graph.name.removesuffix('.pb')}.{suffix}.tflite"
        beside = backbone.graph.parent
        home = self.home if _read_only(beside) else beside
        for folder in (beside, *self._folders):
            path = folder / name
            with contextlib.suppress(OSError):
                digest = path.with_name(f"{name}.sha256").read_text("utf-8", "replace").strip()
                if file_digest(path) == digest:
                    return path, digest
                self._say(f"{path} is not as it was written; making it again")
        data = make()
        path, digest = home / name, hashlib.sha256(data).hexdigest()
        try:
            with replacing(path) as scratch:
                scratch.write_bytes(data)
            with replacing(path.with_name(f"{name}.sha256")) as scratch:
                scratch.write_text(f"{digest}\n", "utf-8")
        except OSError as error:
            raise RunError(
                f"cannot keep {name} in {home}: {error.strerror or error}; choose another --model_dir"
            ) from None
        return path, digest


def _read(stem: Path) -> Backbone:
    fields = json.loads(_file(stem, ".json").read_text("utf-8"))
    files = {suffix: _file(stem, suffix) for suffix in (".pb", ".tflite") if suffix in fields["sha256"]}
    for suffix, sha256 in fields.pop("sha256").items():
        if file_digest(files[suffix]) != sha256:
            raise ValueError(f"{files[suffix]} has another digest")
    fields["mean"], fields["std"] = tuple(fields["mean"]), tuple(fields["std"])
    digest = stem.name.rsplit("-", 1)[1]
    return Backbone(digest=digest, graph=files[".pb"], tflite=files.get(".tflite"), **fields)


def _stem(folder: Path, row: Architecture, found: Weights) -> Path:
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", row.name)[-60:]
    digest = hashlib.sha256(f"{BUILD}:{found.digest}".encode()).hexdigest()
    return folder / f"{name}-{digest[:12]}"


def _file(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)  # with_suffix would cut at the dot of "0.25"


def _read_only(folder: Path) -> bool:
    """Whether a folder is there and this user may not write into it; permission bits alone do not tell."""
    if not folder.is_dir():
        return False
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    return False
