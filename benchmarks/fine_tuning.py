"""Measures what fine-tuning gains over training the layer alone, in five folds, so that every photo is tested once.

    python -m benchmarks.fine_tuning flower_photos --out FOLDER --flags "--train last:6"

Each fold is an image folder with train/ and test/. Both runs use the same split; the flags that only fine-tuning uses
follow --train. A run that exists is not repeated. The photos that only one of the two labels correctly are counted in both
directions, and McNemar's exact test says whether the difference is significant.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from benchmarks.tutorials import record_of

_FOLDS = 5


def main() -> int:
    """Runs the program; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fine_tuning", description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path, help="one folder for each class")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--head", default="", help="flags of both runs")
    parser.add_argument("--flags", default="--train all", help="flags of the run with fine-tuning")
    parser.add_argument("--folds", type=int, default=_FOLDS, help=f"run only this number of the {_FOLDS} folds")
    options = parser.parse_args()
    head, tuned = [], []
    for fold in range(options.folds):
        photos = _fold(options.images, options.out / "folds" / str(fold), fold)
        shared = f"{options.head} --bottleneck_dir={shlex.quote(str(options.out.resolve() / 'bottlenecks'))}"
        head.append(record_of(options.out / f"head_{fold}", photos.resolve(), shared))
        tuned.append(record_of(options.out / f"tuned_{fold}", photos.resolve(), f"{shared} {options.flags}"))
        change = 100 * (tuned[-1]["accuracy"] - head[-1]["accuracy"])
        share, temperature = (tuned[-1]["curve"][name] for name in ("share", "temperature"))
        print(
            f"fold {fold}: {head[-1]['accuracy']:.1%}, fine-tuned {tuned[-1]['accuracy']:.1%} ({change:+.1f} points); "
            f"interpolation {share:.0%}, logits divided by {temperature:.2f}; {tuned[-1]['seconds']['fine_tuning']:.0f} s",
            flush=True,
        )
    print(_summary(head, tuned))
    return 0


def _fold(images: Path, folder: Path, fold: int) -> Path:
    """Makes an image folder with every fifth photo of each class as test photo, in a random but fixed order."""
    if folder.exists():
        return folder
    part = folder.with_name(f"{folder.name}.part")
    for label in sorted(path for path in images.iterdir() if path.is_dir()):
        photos = sorted(path for path in label.iterdir() if path.is_file())
        for place, number in enumerate(np.random.default_rng(0).permutation(len(photos))):
            into = part / ("test" if place % _FOLDS == fold else "train") / label.name
            into.mkdir(parents=True, exist_ok=True)
            _same_file(photos[number], into / photos[number].name)
    part.rename(folder)
    return folder


def _same_file(old: Path, new: Path) -> None:
    with contextlib.suppress(FileExistsError):
        try:
            os.link(old, new)
        except OSError:  # a link to another disk is impossible
            shutil.copyfile(old, new)


def _summary(head: list[dict[str, Any]], tuned: list[dict[str, Any]]) -> str:
    rights = [
        {photo["sha256"]: photo["label"] == photo["predicted"] for one in records for photo in one["test_photos"]}
        for records in (head, tuned)
    ]
    photos = rights[0].keys() & rights[1].keys()
    gained = sum(rights[1][photo] and not rights[0][photo] for photo in photos)
    lost = sum(rights[0][photo] and not rights[1][photo] for photo in photos)
    p = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    accuracies = [100 * sum(right.values()) / len(right) for right in rights]
    errors = [np.mean([one["metrics"]["calibration_error"] for one in records]) for records in (head, tuned)]
    return (
        f"{len(photos):,} photos: the layer alone {accuracies[0]:.1f} %, fine-tuned {accuracies[1]:.1f} % ({accuracies[1] - accuracies[0]:+.1f} points); "
        f"{gained} corrected, {lost} lost, McNemar's test p = {p:.2g}; calibration error {errors[0]:.3f} and {errors[1]:.3f}"
    )


if __name__ == "__main__":
    sys.exit(main())
