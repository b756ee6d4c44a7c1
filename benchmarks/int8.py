"""The int8 backbone beside the float32 one: accuracy over values of --split_seed, extraction, size.

    python benchmarks/int8.py PHOTOS [--splits 10] [--repeat 5] [--architecture efficientnet_lite0]

Whole runs of `python -m retrain`, float32 and int8 in turn, with calibration counted apart. Prints Markdown.
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
RATE = re.compile(r"^(\d+) photos in ([\d.]+) s", re.MULTILINE)
RECORD = re.compile(r"^wrote (.*run\.json)$", re.MULTILINE)
PRECISIONS = ("float32", "int8")


def run(folder: Path, *flags: str) -> tuple[str, dict[str, object]]:
    """One run in `folder`; (its output, its record)."""
    done = subprocess.run(
        [sys.executable, "-m", "retrain", "--export=tflite", "--eval_step_interval=100", "--summaries_dir=", *flags],
        cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout, json.loads(Path(folder, RECORD.findall(done.stdout)[0]).read_text("utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--architecture", default="efficientnet_lite0")
    options = parser.parse_args()
    common = (f"--image_dir={options.photos.resolve()}", f"--architecture={options.architecture}")
    rates: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    shares: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    sizes: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for repeat in range(options.repeat):
            shutil.rmtree(folder / "tf_files/bottlenecks", ignore_errors=True)
            for precision in PRECISIONS[:: 1 - 2 * (repeat % 2)]:
                output, record = run(
                    folder, *common, f"--backbone_precision={precision}", "--how_many_training_steps=1"
                )
                (count, seconds) = RATE.findall(output)[0]
                rates[precision].append(int(count) / float(seconds))
                sizes[precision] = next(made["bytes"] for made in record["exports"] if made["kind"] == "tflite")  # type: ignore[attr-defined]
        for seed in range(options.splits):
            for precision in PRECISIONS:
                _, record = run(folder, *common, f"--backbone_precision={precision}", f"--split_seed={seed}")
                shares[precision].append(100 * float(record["accuracy"]))  # type: ignore[arg-type]
    print("| precision | accuracy, mean | standard deviation | lowest | highest | images/s, median (all) | .tflite |")
    print("|---|---|---|---|---|---|---|")
    for name in PRECISIONS:
        every = ", ".join(f"{rate:.0f}" for rate in rates[name])
        print(
            f"| {name} | {statistics.mean(shares[name]):.1f} % | {statistics.stdev(shares[name]):.1f} | {min(shares[name]):.1f} | {max(shares[name]):.1f} "
            f"| {statistics.median(rates[name]):.0f} ({every}) | {sizes[name] / 1e6:.2f} MB |"
        )
    lost = [a - b for a, b in zip(shares["float32"], shares["int8"], strict=True)]
    ratios = [b / a for a, b in zip(rates["float32"], rates["int8"], strict=True)]
    print(
        f"\nint8 loses {statistics.mean(lost):+.2f} points on average over {len(lost)} splits (standard deviation {statistics.stdev(lost):.1f}); "
    )
    print(
        f"it extracts {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} pairs)."
    )


if __name__ == "__main__":
    main()
