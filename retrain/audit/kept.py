"""What an audit found, kept beside the features: the same photos, labels and lists are not audited twice."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from pathlib import Path

from retrain.audit.findings import Findings
from retrain.audit.worker import findings_of
from retrain.files.atomic import replacing
from retrain.types import Split

RECIPE = 2  # raise it when the same photos would be judged in another way
FOLDER = "audits"
_MOST = 20  # files; the oldest go


def key_of(features_key: str, split: Split) -> str:
    """Hex: all that the findings depend on."""
    digest = hashlib.sha256(f"{RECIPE}/{features_key}\n".encode("utf-8", "surrogateescape"))
    for photo, which in zip(split.photos, split.lists.tolist(), strict=True):
        digest.update(f"{photo.sha256}{which}{photo.label}/{photo.name}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


class Shelf:
    """The kept audits of one --bottleneck_dir."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def read(self, key: str) -> Findings | None:
        """What was kept; None where there is nothing that can be read."""
        try:
            return findings_of(self._path(key).read_bytes())
        except (OSError, ValueError, KeyError, TypeError):  # not there, or damaged: found anew
            return None

    def write(self, key: str, findings: Findings) -> None:
        """Keeps findings; that they can not be written is no failure."""
        with contextlib.suppress(OSError):
            with replacing(self._path(key)) as scratch:
                scratch.write_text(json.dumps(dataclasses.asdict(findings)), "utf-8")
            by_age = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
            for old in by_age[:-_MOST]:
                old.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key[:32]}.json"
