"""Checks that label_image gives every test photo the label in the training record, for each format and backbone.

    python benchmarks/agreement.py PHOTOS --models MODELS [--architectures a,b]

MODELS is a folder with original archives, such as ../shared/data/models. It is copied and not changed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from label_image import Classifier  # noqa: E402 - the path comes first

ARCHITECTURES = "efficientnet_lite0,mobilenet_0.25_128,mobilenet_0.25_224,mobilenet_1.0_224"
EXPORTS = ("retrained.tflite", "retrained_graph.pb", "saved_model")


def trained(photos: Path, folder: Path, architecture: str) -> dict[str, Any]:
    """Makes a run with all exports; returns its record."""
    command = [
        sys.executable,
        "-m",
        "retrain",
        f"--image_dir={photos}",
        f"--architecture={architecture}",
        "--saved_model_dir=tf_files/saved_model",
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        sys.exit(done.stderr)
    (path,) = re.findall(r"^wrote (.*run\.json)$", done.stdout, re.MULTILINE)
    record: dict[str, Any] = json.loads((folder / path).read_text("utf-8"))
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--architectures", default=ARCHITECTURES)
    options = parser.parse_args()
    print("| architecture | format | photos | same label | largest difference of a score |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shutil.copytree(options.models, folder / "tf_files/models", copy_function=shutil.copyfile)
        for architecture in options.architectures.split(","):
            record = trained(options.photos.resolve(), folder, architecture)
            photos = record["test_photos"]
            for name in EXPORTS:
                answers = list(Classifier(folder / "tf_files" / name).classify_all([photo["path"] for photo in photos]))
                best = [answer.top(1)[0] for answer in answers]
                same = sum(label == photo["predicted"] for (label, _), photo in zip(best, photos, strict=True))
                worst = max(abs(score - photo["score"]) for (_, score), photo in zip(best, photos, strict=True))
                print(f"| {architecture} | {name} | {len(photos)} | {same} | {worst:.0e} |", flush=True)


if __name__ == "__main__":
    main()
