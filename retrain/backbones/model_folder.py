"""Manages the folder of pretrained networks, which holds downloaded weights and the converted forms of backbones.

The folder is --model_dir. A school may share it read-only; missing files are then written to the user's tf_files/models.
Each backbone has three files, named after the digest of its weights: `.tflite` (without the head, for LiteRT), `.pb` (without
the head, for TensorFlow and the frozen export) and `.json` (a description of the input, and the digests of the other two). The
`.json` is written last. A file with another digest is made again, with a note. `quantized` files are stored beside their backbone.
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
BUILD = 5  # increase it when the conversion of the same weights gives other files


@dataclass(frozen=True)
class FoundWeights:
    """The weights of a backbone and their origin."""

    digest: str  # SHA-256 of everything on which the weights depend
    source: str  # the origin, for messages
    path: Path | None = None  # the file, archive or folder; None if a library provides the weights
    data: bytes = field(default=b"", repr=False)  # the file's bytes, or those of the archive's member


class KeptNetworks(Protocol):
    """The options for the folder of networks."""

    @property
    def model_dir(self) -> str: ...  # noqa: D102 - the flags with these names explain them
    @property
    def offline(self) -> bool: ...  # noqa: D102


class ModelFolder:
    """The folder of pretrained networks, and the default folder as well if the first is read-only.

    Args:
      model_dir: the folder.
      say: called with a line about a download, a read-only folder or a damaged file.
      offline: never connect to a server.
    """

    def __init__(self, model_dir: str, say: Callable[[str], None], *, offline: bool = False) -> None:
        own, usual = Path(model_dir), Path(USUAL_MODEL_DIR)
        self._folders = (own, usual) if _read_only(own) else (own,)
        self._offline, self._say = offline, say

    @classmethod
    def of(cls, network: KeptNetworks, say: Callable[[str], None]) -> ModelFolder:
        """Makes the folder from options, such as NetworkOptions."""
        return cls(network.model_dir, say, offline=network.offline)

    @property
    def home(self) -> Path:
        """The folder to which new files are written."""
        return self._folders[-1]

    def find(self, *names: str) -> Path | None:
        """Returns the first of these files or folders that exists; a name may be a pattern."""
        found = (path for folder in self._folders for name in names for path in sorted(folder.glob(name)))
        return next(found, None)

    def place(self, name: str) -> Path:
        """Returns the path for a new file."""
        if len(self._folders) > 1:
            self._say(f"{self._folders[0]} is read-only: {name} is written to {self.home}")
        return self.home / name

    def bring(self, url: str, path: Path, sha256: str | None = None) -> Path:
        """Downloads `url` to `path` if that file does not exist.

        Raises:
          RunError: it cannot be downloaded; the message names the address, the path for the file, and a network that needs no download.
        """
        from retrain.files.download import fetch

        try:
            return fetch(url, path, sha256, offline=self._offline, say=self._say)
        except RunError as error:
            looked = " and ".join(map(str, self._folders))
            raise RunError(
                f"no weights in {looked}; {error}; or use {DEFAULT_ARCHITECTURE}, which needs no download"
            ) from None

    def kept(self, row: Architecture, found: FoundWeights) -> Backbone | None:
        """Returns the stored backbone; None if it is missing, incomplete or damaged."""
        for folder in self._folders:
            stem = _stem(folder, row, found)
            if not _file(stem, ".json").exists():
                continue
            try:
                return _read(stem)
            except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self._say(f"the files {stem}.* were changed or damaged; making them again")
        return None

    def has_kept(self, row: Architecture) -> bool:
        """Whether a backbone of this name is stored, with any weights."""
        return self.find(f"{_letters(row)}-*.json") is not None

    def keep(
        self, row: Architecture, found: FoundWeights, frozen: FrozenGraph, tflite: bytes | None, why_no_tflite: str = ""
    ) -> Backbone:
        """Stores the converted forms of a backbone.

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
        """Returns a `.tflite` derived from a backbone, and its SHA-256; it is made if it is missing or damaged.

        Args:
          backbone: a backbone that is stored in this folder.
          suffix: the kind of conversion, for the file's name: "int8-0a1b2c3d".
          make: returns the bytes of the file.

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
                self._say(f"{path} was changed or damaged; making it again")
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


def _stem(folder: Path, row: Architecture, found: FoundWeights) -> Path:
    digest = hashlib.sha256(f"{BUILD}:{found.digest}".encode()).hexdigest()
    return folder / f"{_letters(row)}-{digest[:12]}"


def _letters(row: Architecture) -> str:
    """Converts the name of a backbone to the name of a file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", row.name)[-60:]


def _file(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)  # with_suffix would cut at the dot in "0.25"


def _read_only(folder: Path) -> bool:
    """Whether a folder exists and this user cannot write into it; permission bits alone do not show this."""
    if not folder.is_dir():
        return False
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
    return False
