"""Prepares real photos and weights for the benchmarks: a number of photos of each class, backbones and features.

All files are written to a temporary folder.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import run
from benchmarks.row import in_turn
from label_image.workers import cores, map_ordered
from retrain.backbones.prepare import prepare
from retrain.backbones.table import DEFAULT_ARCHITECTURE
from retrain.data.augment import View
from retrain.features.extraction import extract
from retrain.features.runtimes import choose
from retrain.files.hashing import file_digest
from retrain.options.options import Options
from retrain.pipeline.settings import divided
from retrain.store.feature_store import Store
from retrain.types import Backbone, Bottlenecks, Photo, Scan, Split

RUN = "run"  # the folder of a run with default flags


def silent(_: str) -> None:
    """A screen that discards the lines."""


@dataclass(frozen=True)
class Bench:
    """The settings of the benchmarks, and the data that they share."""

    photos: Path  # one folder for each class
    models: Path  # a copy of the original archives, which may be changed
    scratch: Path
    repeat: int = 5  # repetitions
    full: bool = True  # otherwise the smallest size with which a row still runs
    long: bool = False  # including the rows that take an hour each

    def turns(self, works: Mapping[str, Callable[[], float]]) -> dict[str, tuple[float, ...]]:
        """Times several functions in turn, after one round that does not count: it reads files into memory and traces functions."""
        if self.full:
            in_turn(works, 1)
        return in_turn(works, self.repeat)

    def pick(self, smallest: int, full: int) -> int:
        """Returns the size of a full benchmark, or that of the smallest one."""
        return full if self.full else smallest

    def folder(self, name: str) -> Path:
        """Makes an empty folder."""
        path = self.scratch / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def photo_folder(self, smallest: int, full: int = 0) -> Path:
        """Makes a folder with a number of photos of each class; 0 is all of them."""
        each = self.pick(smallest, full)
        if not each:
            return self.photos
        folder = self.scratch / f"photos_{each}"
        if not folder.exists():
            for label in sorted(path for path in self.photos.iterdir() if path.is_dir()):
                (folder / label.name).mkdir(parents=True)
                for photo in itertools.islice(sorted(label.glob("*.jpg")), each):
                    shutil.copyfile(photo, folder / label.name / photo.name)
        return folder

    def options(self, folder: Path, architecture: str = DEFAULT_ARCHITECTURE) -> Options:
        """Returns the options of a run on a folder, with defaults for all others."""
        return Options.of(
            str(folder),
            architecture=architecture,
            model_dir=str(self.models),
            bottleneck_dir=str(self.scratch / "bottlenecks"),
            offline=True,
            device="cpu",
        )

    def backbone(self, architecture: str = DEFAULT_ARCHITECTURE) -> Backbone:
        """Prepares a pretrained network."""
        return prepare(self.options(self.photos, architecture).network, silent)

    def features(self, folder: Path, architecture: str = DEFAULT_ARCHITECTURE) -> tuple[Split, Bottlenecks]:
        """Returns the photos of a folder as a run splits them, and their features; these are cached."""
        options, backbone = self.options(folder, architecture), self.backbone(architecture)
        split = divided(options, Scan(tuple(photos_in(folder))))
        store = Store(Path(options.run.bottleneck_dir))
        found = extract(split.photos, backbone, lambda: choose(backbone, "cpu"), store, View(), silent)
        store.close()
        return split, Bottlenecks(found.features[None], split.label_ids, split.lists)

    def trained(self) -> Path:
        """Returns a folder with the exports of a run with default flags; it is made once."""
        folder = self.scratch / RUN
        if not folder.exists():
            folder.mkdir()
            run(["-m", "retrain", f"--image_dir={self.photo_folder(8)}"], folder)
        return folder


def photos_in(folder: Path) -> list[Photo]:
    """Returns the photos of a folder, sorted by label and name."""
    paths = sorted(folder.glob("*/*.jpg"))
    digests = map_ordered(lambda: file_digest, map(str, paths), cores())
    return [Photo(str(path), path.parent.name, digest) for path, digest in zip(paths, digests, strict=True)]
