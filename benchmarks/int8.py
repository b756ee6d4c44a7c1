"""Compares the int8 backbone with the float32 one: accuracy over values of --split_seed, and size of the file.

    python benchmarks/int8.py PHOTOS [--splits 10] [--architecture efficientnet_lite0]

It runs `python -m retrain` with float32 and int8 in turn. Prints Markdown; `python -m benchmarks --only int8` measures the speed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RECORD = re.compile(r"^wrote (.*run\.json)$", re.MULTILINE)
PRECISIONS = ("float32", "int8")


def run(folder: Path, *flags: str) -> dict[str, Any]:
    """Makes one run in `folder`; returns its record."""
    done = subprocess.run(
        [sys.executable, "-m", "retrain", "--export=tflite", "--eval_step_interval=100", "--summaries_dir=", *flags],
        cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    record: dict[str, Any] = json.loads(Path(folder, RECORD.findall(done.stdout)[0]).read_text("utf-8"))
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--architecture", default="efficientnet_lite0")
    options = parser.parse_args()
    common = (f"--image_dir={options.photos.resolve()}", f"--architecture={options.architecture}")
    shares: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    sizes: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for seed in range(options.splits):
            for precision in PRECISIONS:
                record = run(folder, *common, f"--backbone_precision={precision}", f"--split_seed={seed}")
                shares[precision].append(100 * float(record["accuracy"]))
                sizes[precision] = next(made["bytes"] for made in record["exports"] if made["kind"] == "tflite")
    print("| precision | accuracy, mean | standard deviation | lowest | highest | .tflite |\n|---|---|---|---|---|---|")
    for name, values in shares.items():
        print(
            f"| {name} | {statistics.mean(values):.1f} % | {statistics.stdev(values):.1f} | {min(values):.1f} | {max(values):.1f} | {sizes[name] / 1e6:.2f} MB |"
        )
    lost = [a - b for a, b in zip(shares["float32"], shares["int8"], strict=True)]
    print(
        f"\nint8 loses {statistics.mean(lost):+.2f} points on average over {len(lost)} splits (standard deviation {statistics.stdev(lost):.1f})."
    )


if __name__ == "__main__":
    main()
