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
    """The program; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fine_tuning", description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path, help="a folder a class")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--head", default="", help="flags of both runs")
    parser.add_argument("--flags", default="--train all", help="flags of the run that fine-tunes")
    parser.add_argument("--folds", type=int, default=_FOLDS, help=f"run only so many of the {_FOLDS}")
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
            f"{share:.0%} of the way, logits divided by {temperature:.2f}; {tuned[-1]['seconds']['fine_tuning']:.0f} s",
            flush=True,
        )
    print(_summary(head, tuned))
    return 0


def _fold(images: Path, folder: Path, fold: int) -> Path:
    """An image folder whose test photos are every fifth of each class, in a random order that is the same each time."""
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
        except OSError:  # another disk
            shutil.copyfile(old, new)


def _summary(head: list[dict[str, Any]], tuned: list[dict[str, Any]]) -> str:
    rights = [
        {photo["sha256"]: photo["label"] == photo["predicted"] for one in records for photo in one["test_photos"]}
        for records in (head, tuned)
    ]
    photos = rights[0].keys() & rights[1].keys()
    won = sum(rights[1][photo] and not rights[0][photo] for photo in photos)
    lost = sum(rights[0][photo] and not rights[1][photo] for photo in photos)
    chance = binomtest(won, won + lost).pvalue if won + lost else 1.0
    shares = [100 * sum(right.values()) / len(right) for right in rights]
    errors = [np.mean([one["metrics"]["calibration_error"] for one in records]) for records in (head, tuned)]
    return (
        f"{len(photos):,} photos: the layer alone {shares[0]:.1f} %, fine-tuned {shares[1]:.1f} % ({shares[1] - shares[0]:+.1f} points); "
        f"{won} won, {lost} lost, by luck alone with a chance of {chance:.2g}; calibration error {errors[0]:.3f} and {errors[1]:.3f}"
    )


if __name__ == "__main__":
    sys.exit(main())
