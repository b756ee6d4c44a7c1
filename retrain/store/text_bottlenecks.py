"""Reads the original's text bottlenecks, finds the photo of each, and makes rows for our store.

The first scripts (Inception-v3) wrote `<folder>/<file>.txt`; later ones wrote `<folder>/<file>_<architecture>.txt` and
`<file>_<module>.txt`. The files contain numbers separated by commas. Neither the original nor this module can tell whether a
photo has changed since then. A file with fewer or more numbers than the others was truncated, and is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from retrain.files.hashing import file_digest
from retrain.store.feature_store import key_of
from retrain.types import Skipped

FIRST_NETWORK = "inception_v3"  # the network of the scripts that did not name it
_END_OF_PHOTO = re.compile(r"\.(?:jpe?g|png|gif|bmp|webp)(?=_|$)", re.IGNORECASE)


@dataclass(frozen=True)
class TextBottleneck:
    """The contents of one text bottleneck file."""

    path: Path
    network: str  # as written in the file's name: "mobilenet_0.50_224", a module with ~ for / and :
    photo: Path
    values: npt.NDArray[np.float32]  # [width]


def imported_key(network: str) -> str:
    """Returns the store key of imported features; it differs from ours, because other code read and scaled the photos."""
    return key_of(backbone=network, source="the original's text bottlenecks", view="plain")


def read_folder(folder: Path, image_dir: Path) -> tuple[list[TextBottleneck], list[Skipped]]:
    """Reads every text bottleneck below a folder.

    Args:
      folder: the original's --bottleneck_dir.
      image_dir: the photos, with the same names of class folders.

    Returns:
      the bottlenecks, ordered by path; the files that could not be used, with the reason.
    """
    read = [_read(path, image_dir) for path in sorted(folder.glob("*/*.txt"))]
    found = [one for one in read if isinstance(one, TextBottleneck)]
    skipped = [one for one in read if isinstance(one, Skipped)]
    widths: dict[str, Counter[int]] = {}
    for one in found:
        widths.setdefault(one.network, Counter())[len(one.values)] += 1
    usual = {network: counter.most_common(1)[0][0] for network, counter in widths.items()}
    odd = [one for one in found if len(one.values) != usual[one.network]]
    skipped += [
        Skipped(str(one.path), "cut off", f"{len(one.values)} numbers, but the others have {usual[one.network]}")
        for one in odd
    ]
    return [one for one in found if len(one.values) == usual[one.network]], skipped


def rows_of(found: list[TextBottleneck]) -> dict[str, list[tuple[str, npt.NDArray[np.float32]]]]:
    """Makes rows for the store: network -> (current digest of the photo, float32 [width])."""
    rows: dict[str, list[tuple[str, npt.NDArray[np.float32]]]] = {}
    for one in found:
        rows.setdefault(one.network, []).append((file_digest(one.photo), one.values))
    return rows


def _read(path: Path, image_dir: Path) -> TextBottleneck | Skipped:
    folder = image_dir / path.parent.name
    meanings = [pair for pair in _meanings(path.name.removesuffix(".txt")) if (folder / pair[0]).is_file()]
    if not meanings:
        return Skipped(str(path), "no such photo", f"there is none with that name in {folder}")
    try:
        values = np.array([float(word) for word in path.read_text("ascii").split(",")], np.float64).astype(np.float32)
    except (OSError, ValueError) as error:
        return Skipped(str(path), "not numbers separated by commas", " ".join(str(error).split())[:80])
    if not np.isfinite(values).all():
        return Skipped(str(path), "not numbers separated by commas", "some are not finite")
    name, network = meanings[0]
    return TextBottleneck(path, network, folder / name, values)


def _meanings(stem: str) -> Iterator[tuple[str, str]]:
    """Yields the possible meanings of a file's name: (name of the photo, network); the photo's name may contain a suffix too.

    >>> list(_meanings("1.jpg_mobilenet_0.50_224")), list(_meanings("1.jpg"))
    ([('1.jpg', 'mobilenet_0.50_224')], [('1.jpg', 'inception_v3')])
    """
    for ending in _END_OF_PHOTO.finditer(stem):
        yield stem[: ending.end()], stem[ending.end() + 1 :] or FIRST_NETWORK
