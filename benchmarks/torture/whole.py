"""Checks that the files under the usual names belong to one training, and that they label as it does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.torture.ground import CLASSES, Ground, weights_of
from label_image.classifier import Classifier
from label_image.errors import UserError
from label_image.find_metadata import Overrides, metadata_of

_TEMPORARY = re.compile(r"^\..*\.(tmp|old|part|new)$|\.part$|\.tmp$")
_SAME = 1e-4  # largest difference of a score: float32 sums in another order


def set_problem(folder: Path, ground: Ground, allowed: str) -> str:
    """Returns what is wrong with the files under the usual names; "" if they are one complete set.

    Args:
      folder: where the tool was used.
      ground: what it was used on.
      allowed: the trainings whose set may be there: "a", "ab"; with "-" also none at all.
    """
    places = folder / "tf_files"
    readers: dict[str, Callable[[], tuple[str, ...]]] = {
        "retrained.tflite": lambda: _labels_inside(places / "retrained.tflite"),
        "retrained_graph.pb": lambda: _labels_inside(places / "retrained_graph.pb"),
        "retrained_labels.txt": lambda: tuple((places / "retrained_labels.txt").read_text("utf-8").split()),
        "retrain_checkpoint.npz": lambda: _labels_of_checkpoint(places / "retrain_checkpoint.npz"),
    }
    there = [name for name in readers if (places / name).exists()]
    if not there and "-" in allowed:
        return ""
    if len(there) != len(readers):
        return f"an incomplete set: only {', '.join(there) or 'nothing'}"
    try:
        labels = {name: readers[name]() for name in there}
    except (UserError, OSError, ValueError) as error:
        return f"a file of the set cannot be read: {error}"
    if len(set(labels.values())) > 1:
        return f"a mixed set: {labels}"
    which = next((letter for letter in "ab" if CLASSES[letter] == labels["retrained.tflite"]), "?")
    if which not in allowed:
        return f"the set belongs to training {which}, expected {allowed}"
    return _scores_problem(places, ground, which)


def _scores_problem(places: Path, ground: Ground, which: str) -> str:
    home = ground.home(which)
    photo = next(iter(sorted(ground.some_photos(which).glob("*/*.jpg"))))
    wanted = Classifier(home / "tf_files/retrained.tflite").classify(photo).scores
    found = Classifier(places / "retrained.tflite").classify(photo).scores
    if not np.allclose(wanted, found, atol=_SAME):
        return f"the scores of training {which} differ by {np.abs(wanted - found).max():.2g}"
    ours, theirs = weights_of(places.parent), weights_of(home)
    if ours is None or theirs is None or not np.array_equal(ours, theirs):
        return f"the checkpoint is not that of training {which}"
    return ""


def temporary_names(folder: Path) -> list[str]:
    """Returns the temporary files that are left in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if _TEMPORARY.search(path.name))


def _labels_inside(path: Path) -> tuple[str, ...]:
    return metadata_of(path, Overrides()).labels


def _labels_of_checkpoint(path: Path) -> tuple[str, ...]:
    with np.load(path, allow_pickle=False) as arrays:
        return tuple(str(label) for label in arrays["labels"])
