"""Compares the test accuracy of the head with plain standardisation and with ours, over values of --split_seed.

python benchmarks/standardisation.py PHOTOS [PHOTOS ...] --models MODELS [--splits 20]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from retrain.backbones.prepare import prepare  # noqa: E402
from retrain.data.augment import View  # noqa: E402
from retrain.features.extraction import extract  # noqa: E402
from retrain.features.runtimes import choose  # noqa: E402
from retrain.head import train, training  # noqa: E402 - the path comes first
from retrain.head.standardiser import Standardiser  # noqa: E402
from retrain.options.options import Options  # noqa: E402
from retrain.pipeline.settings import divided, layer_training, scanned  # noqa: E402
from retrain.store.feature_store import Store  # noqa: E402
from retrain.types import TESTING, Bottlenecks  # noqa: E402

ARCHITECTURES = ("efficientnet_lite0", "mobilenet_0.25_128", "mobilenet_0.25_224", "mobilenet_1.0_224")


class Plain(Standardiser):
    """Standardises every feature to standard deviation 1."""

    def __init__(self, features: np.ndarray) -> None:
        super().__init__(features)
        deviation = features.reshape(-1, features.shape[-1]).std(axis=0, dtype=np.float64)
        self.scale = np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 0).astype(np.float32)


def silent(*_: object) -> None:
    """A screen that prints nothing."""


def accuracies(run_options: Options, splits: int) -> list[float]:
    """Returns the test accuracy in percent for each split."""
    store = Store(Path(run_options.run.bottleneck_dir))
    scan = scanned(run_options, store, silent)
    backbone = prepare(run_options.network, silent)
    runtime = choose(backbone, "cpu")
    features = extract(scan.photos, backbone, lambda: runtime, store, View(), silent).features
    store.close()
    results = []
    for seed in range(splits):
        run_options = run_options.replaced(split_seed=seed)
        split = divided(run_options, scan)
        data = Bottlenecks(features[None], split.label_ids, split.lists)
        trained = train.train(data, split.labels, layer_training(run_options))
        rows = data.rows(TESTING)
        results.append(100 * float((trained.logits(features[rows]).argmax(axis=1) == split.label_ids[rows]).mean()))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=20)
    options = parser.parse_args()
    print("| photos | architecture | plain | ours |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(options.models, Path(scratch, "models"), copy_function=shutil.copyfile)
        for photos in options.photos:
            for name in ARCHITECTURES:
                run_options = Options.of(
                    str(photos),
                    architecture=name,
                    model_dir=f"{scratch}/models",
                    bottleneck_dir=f"{scratch}/bottlenecks",
                )
                means = []
                for kind in (Plain, Standardiser):
                    training.Standardiser = kind  # type: ignore[attr-defined]
                    means.append(statistics.mean(accuracies(run_options, options.splits)))
                print(f"| {photos.name} | {name} | {means[0]:.1f} | {means[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
