"""Measures the top-1 accuracy of a backbone with its own ImageNet head, to verify that its weights are those of that network.

    python benchmarks/imagenet.py ../shared/data/imagenet_sample [--architecture efficientnet_lite0]

The folder contains pictures and index.tsv (file, class index 0 to 999). Pictures are resized without keeping their
proportions, as in training.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from label_image.photo_pixels import decode, normalise  # noqa: E402 - the path comes first
from label_image.runners.litert import LitertRunner  # noqa: E402
from retrain.backbones.prepare import network_of, prepare  # noqa: E402
from retrain.options.options import Options  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--architecture", default="efficientnet_lite0")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run_options = Options.of(image_dir="-", architecture=options.architecture, model_dir=scratch, offline=True)
        backbone, network = prepare(run_options.network, print), network_of(run_options.network)
        assert backbone.tflite is not None
        assert network.classifier is not None
        runner = LitertRunner(backbone.tflite)
        weights, biases = network.classifier
        right = tested = 0
        for line in (options.pictures / "index.tsv").read_text("utf-8").splitlines():
            name, index = line.split("\t")[:2]
            if not index.isdigit():
                continue
            pixels = decode(options.pictures / name, backbone.height_px, backbone.width_px)
            features = runner.scores(normalise(pixels, backbone.mean, backbone.std)[None])
            right += int(np.argmax(features @ weights + biases) == int(index))
            tested += 1
    print(f"{options.architecture}: {right} of {tested} right, {100 * right / tested:.0f} %")


if __name__ == "__main__":
    main()
