"""Caches the findings of audits beside the features, so that the same photos, labels and subsets are audited only once."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from pathlib import Path

from retrain.audit.findings import AuditFindings
from retrain.audit.worker import findings_of
from retrain.files.atomic import replacing
from retrain.types import Split

RECIPE = 2  # version of the audit: raise it when the same photos would give other findings
FOLDER = "audits"
_MOST = 20  # most files that are kept; the oldest are deleted


def key_of(features_key: str, split: Split) -> str:
    """Returns a digest, in hexadecimal, of everything that the findings depend on."""
    digest = hashlib.sha256(f"{RECIPE}/{features_key}\n".encode("utf-8", "surrogateescape"))
    for photo, which in zip(split.photos, split.lists.tolist(), strict=True):
        digest.update(f"{photo.sha256}{which}{photo.label}/{photo.name}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


class AuditCache:
    """The cached audits of one --bottleneck_dir."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def read(self, key: str) -> AuditFindings | None:
        """Returns cached findings, or None if there are none that can be read."""
        try:
            return findings_of(self._path(key).read_bytes())
        except (OSError, ValueError, KeyError, TypeError):  # missing or damaged: the audit runs again
            return None

    def write(self, key: str, findings: AuditFindings) -> None:
        """Writes findings to the cache; an error in writing is ignored, because the cache is only a convenience."""
        with contextlib.suppress(OSError):
            with replacing(self._path(key)) as scratch:
                scratch.write_text(json.dumps(dataclasses.asdict(findings)), "utf-8")
            by_age = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
            for old in by_age[:-_MOST]:
                old.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key[:32]}.json"
