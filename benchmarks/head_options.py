"""Compares the exact head with gradient descent, on the same features and on the original's Inception-v3 bottlenecks.

    python benchmarks/head_options.py rows PHOTOS [PHOTOS ...] --models MODELS [--splits 5]
    python benchmarks/head_options.py inception TEXT_BOTTLENECKS PHOTOS
    python benchmarks/head_options.py seconds PHOTOS --models MODELS

`rows`: test accuracy with default flags and with --optimizer=lbfgs, for four networks; five-fold cross-validation with five
seeds, so that every photo is tested five times. `inception`: `python -m retrain.cache import` reads the text bottlenecks (a
folder, or an archive that contains one); 10-fold accuracy of --optimizer=lbfgs. `seconds`: the time of training alone, with
3,670 photos of 1,280 features (those of PHOTOS, repeated with noise if there are fewer). MODELS is copied and not changed;
with --bottleneck_dir, features are kept. Prints Markdown.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from retrain.backbones.prepare import prepare  # noqa: E402
from retrain.data.augment import View  # noqa: E402 - the path comes first
from retrain.features.extraction import extract  # noqa: E402
from retrain.features.runtimes import choose  # noqa: E402
from retrain.head.train import train  # noqa: E402
from retrain.metrics import wilson_interval  # noqa: E402
from retrain.options.options import Options  # noqa: E402
from retrain.pipeline.settings import layer_training, scanned  # noqa: E402
from retrain.store.feature_store import Store  # noqa: E402
from retrain.store.text_bottlenecks import imported_key  # noqa: E402
from retrain.types import TESTING, TRAINING, VALIDATION, Bottlenecks, Scan  # noqa: E402

ARCHITECTURES = ("efficientnet_lite0", "mobilenet_0.25_128", "mobilenet_0.25_224", "mobilenet_1.0_224")
FOLDS = 10


def silent(*_: object) -> None:
    """A screen that prints nothing."""


def features_of(run_options: Options) -> tuple[Scan, np.ndarray]:
    """Returns the photos and their features, float32 [photos, width]."""
    store = Store(Path(run_options.run.bottleneck_dir))
    scan = scanned(run_options, store, silent)
    backbone = prepare(run_options.network, silent)
    runtime = choose(backbone, "cpu")
    features = extract(scan.photos, backbone, lambda: runtime, store, View(), silent).features
    store.close()
    return scan, features


def rows(options: argparse.Namespace, scratch: str) -> None:
    print("| photos | architecture | sgd | lbfgs | lbfgs - sgd | each seed |\n|---|---|---|---|---|---|")
    for photos in options.photos:
        for name in ARCHITECTURES:
            kept = options.bottleneck_dir or f"{scratch}/bottlenecks"
            run_options = Options.of(str(photos), architecture=name, model_dir=f"{scratch}/models", bottleneck_dir=kept)
            scan, features = features_of(run_options)
            label_ids = np.array([scan.labels.index(photo.label) for photo in scan.photos])
            pairs = []
            for seed in range(options.splits):
                right = np.zeros(2)
                for lists in dealt(label_ids, seed):
                    data, tests = Bottlenecks(features[None], label_ids, lists), lists == TESTING
                    for place, optimizer in enumerate(("sgd", "lbfgs")):
                        asked = run_options.replaced(seed=seed, optimizer=optimizer)
                        head = train(data, scan.labels, layer_training(asked))
                        right[place] += np.sum(head.logits(features[tests]).argmax(axis=1) == label_ids[tests])
                pairs.append(100 * right / len(label_ids))
            sgd, exact = (statistics.mean(column) for column in zip(*pairs, strict=True))
            each = ", ".join(f"{after - before:+.1f}" for before, after in pairs)
            print(f"| {photos.name} | {name} | {sgd:.1f} | {exact:.1f} | {exact - sgd:+.1f} | {each} |", flush=True)


def dealt(label_ids: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Returns five splits into 70 % training, 10 % validation and 20 % test photos, in which each photo is tested once."""
    rng = np.random.default_rng(seed)
    tenth = np.empty(len(label_ids), int)
    for label in np.unique(label_ids):
        rows = rng.permutation(np.flatnonzero(label_ids == label))
        tenth[rows] = np.arange(len(rows)) % 10
    for fold in range(5):
        lists = np.where(tenth // 2 == fold, TESTING, TRAINING)
        yield np.where(tenth == (2 * fold + 2) % 10, VALIDATION, lists).astype(np.int8)


def inception(options: argparse.Namespace, scratch: str) -> None:
    source, photos = options.photos
    if source.is_file():
        with tarfile.open(source) as archive:
            archive.extractall(f"{scratch}/text", filter="data")
        source = next(path.parent.parent for path in Path(scratch, "text").rglob("*.txt") if path.parent.name != "text")
    kept = f"{scratch}/bottlenecks"
    command = [
        sys.executable,
        "-m",
        "retrain.cache",
        "import",
        str(source.resolve()),
        f"--image_dir={photos.resolve()}",
    ]
    done = subprocess.run([*command, f"--bottleneck_dir={kept}"], cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout + done.stderr)
    run_options = Options.of(str(photos), bottleneck_dir=kept, optimizer="lbfgs")
    store = Store(Path(kept))
    scan = scanned(run_options, store, silent)
    features, there = store.read(imported_key("inception_v3"), [photo.sha256 for photo in scan.photos], 2048)
    store.close()
    label_ids = np.array([scan.labels.index(photo.label) for photo in scan.photos])[there]
    features = features[there]
    fold_of = np.random.default_rng(0).permutation(len(features)) % FOLDS
    right = 0
    for fold in range(FOLDS):
        lists = np.where(fold_of == fold, TESTING, TRAINING).astype(np.int8)
        head = train(Bottlenecks(features[None], label_ids, lists), scan.labels, layer_training(run_options))
        test = fold_of == fold
        right += int((head.logits(features[test]).argmax(axis=1) == label_ids[test]).sum())
    low, high = wilson_interval(right, len(features))
    print(f"{FOLDS}-fold, {len(features)} photos: {right / len(features):.1%} ({low:.1%} to {high:.1%})")


def seconds(options: argparse.Namespace, scratch: str) -> None:
    count = 3670
    kept = options.bottleneck_dir or f"{scratch}/bottlenecks"
    run_options = Options.of(str(options.photos[0]), model_dir=f"{scratch}/models", bottleneck_dir=kept)
    scan, features = features_of(run_options)
    label_ids = np.array([scan.labels.index(photo.label) for photo in scan.photos])
    many = np.resize(np.arange(len(features)), count)
    noise = np.random.default_rng(0).normal(size=(count, features.shape[1])) * features.std(axis=0)
    features = (features[many] + noise * (np.arange(count) >= len(features))[:, None]).astype(np.float32)
    label_ids = label_ids[many]
    data = Bottlenecks(features[None], label_ids, np.zeros(count, np.int8))
    print(f"| {count} x {features.shape[1]} | seconds | processor seconds |\n|---|---|---|")
    for name, asked in (
        ("sgd, 4,000 steps", run_options),
        ("lbfgs, --weight_decay 0.01", run_options.replaced(optimizer="lbfgs", weight_decay="0.01")),
        ("lbfgs, --weight_decay auto", run_options.replaced(optimizer="lbfgs")),
    ):
        times = []
        for _ in range(5):
            start = time.perf_counter(), time.process_time()
            train(data, scan.labels, layer_training(asked))
            times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
        columns = (f"{min(column):.2f} to {max(column):.2f}" for column in zip(*times, strict=True))
        print(f"| {name} | {' | '.join(columns)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("rows", "inception", "seconds"))
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--models", type=Path)
    parser.add_argument("--bottleneck_dir", default="")
    parser.add_argument("--splits", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if options.models:
            shutil.copytree(options.models, Path(scratch, "models"), copy_function=shutil.copyfile)
        {"rows": rows, "inception": inception, "seconds": seconds}[options.what](options, scratch)


if __name__ == "__main__":
    main()
