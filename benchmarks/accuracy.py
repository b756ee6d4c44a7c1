"""Measures the mean test accuracy over values of --split_seed, with default flags, in whole runs of `python -m retrain`.

    python benchmarks/accuracy.py PHOTOS --models MODELS [--splits 10] [--architectures a,b] [--out FOLDER]

MODELS is a folder with original archives, such as ../shared/data/models. It is copied and not changed. The result is a
Markdown table: architecture, mean, standard deviation, lowest, highest, number of splits, and mean number of test photos.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURES = "efficientnet_lite0,mobilenet_0.25_128,mobilenet_0.25_224,mobilenet_1.0_224"
RECORD = re.compile(r"^wrote (.*run\.json)$", re.MULTILINE)


def run(photos: Path, folder: Path, *flags: str) -> tuple[float, int]:
    """Makes one run in `folder`; returns (test accuracy in percent, number of test photos)."""
    command = [sys.executable, "-m", "retrain", f"--image_dir={photos}", *flags]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    if done.returncode:
        sys.exit(done.stderr)
    record = json.loads(Path(folder, RECORD.findall(done.stdout)[0]).read_text("utf-8"))
    return 100 * record["accuracy"], record["tested"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--architectures", default=ARCHITECTURES)
    options = parser.parse_args()
    print(
        "| architecture | mean | standard deviation | lowest | highest | splits | tested, mean |\n|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shutil.copytree(options.models, folder / "tf_files/models", copy_function=shutil.copyfile)
        for architecture in options.architectures.split(","):
            results = [
                run(options.photos.resolve(), folder, f"--architecture={architecture}", f"--split_seed={seed}")
                for seed in range(options.splits)
            ]
            shares = [share for share, _ in results]
            spread = statistics.stdev(shares) if len(shares) > 1 else 0.0
            print(
                f"| {architecture} | {statistics.mean(shares):.1f} % | {spread:.1f} | {min(shares):.1f} | {max(shares):.1f} "
                f"| {len(shares)} | {statistics.mean(count for _, count in results):.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
