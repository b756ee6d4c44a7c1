"""Measures how many flipped labels and planted near-duplicates the audit finds, and how much time it adds to a run.

    python benchmarks/audit.py PHOTOS [PHOTOS ...] [--seeds 5] [--architecture efficientnet_lite0] [--models MODELS] [--repeat 5]
    python benchmarks/audit.py --scale 100000

Flipped labels: 5 % of the labels are set to another class. It counts how many of them are in the first 8 % of the ranking,
and how many a run lists. Near-duplicates: 50 photos are copied into the set, each resized to 60 %, saved at quality 40,
mirrored, or cropped by 5 % on each side. All other pairs that are found are counted too, and how many of them are also
found without the copies; these can be inspected. Time: whole processes, alternating with the same command without its
audit. Scale: the process of the audit alone, on synthetic features.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from retrain.audit.components import components  # noqa: E402 - the path comes first
from retrain.audit.duplicates import near_pairs  # noqa: E402
from retrain.audit.findings import SUSPECTS, Task, label_qualities, suspects  # noqa: E402
from retrain.audit.folds import out_of_fold  # noqa: E402
from retrain.audit.worker import Worker  # noqa: E402
from retrain.backbones.prepare import prepare  # noqa: E402
from retrain.data.augment import View  # noqa: E402
from retrain.data.split import groups_of  # noqa: E402
from retrain.features.extraction import extract  # noqa: E402
from retrain.features.runtimes import choose  # noqa: E402
from retrain.options.options import Options  # noqa: E402
from retrain.pipeline.settings import divided, scanned  # noqa: E402
from retrain.store.feature_store import Store  # noqa: E402
from retrain.types import Split  # noqa: E402

PLANTED = 50


def cropped(image: Image.Image) -> Image.Image:
    x, y = round(image.width * 0.05), round(image.height * 0.05)
    return image.crop((x, y, image.width - x, image.height - y))


KINDS: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {  # kind of change, JPEG quality
    "resized": (lambda image: image.resize((image.width * 6 // 10, image.height * 6 // 10)), 90),
    "re-encoded": (lambda image: image, 40),
    "mirrored": (ImageOps.mirror, 90),
    "cropped": (cropped, 90),
}


def silent(*_: object) -> None:
    """A screen that prints nothing."""


def features_of(run_options: Options) -> tuple[Split, np.ndarray]:
    store = Store(Path(run_options.run.bottleneck_dir))
    split = divided(run_options, scanned(run_options, store, silent))
    backbone = prepare(run_options.network, silent)
    runtime = choose(backbone, "cpu")
    features = extract(split.photos, backbone, lambda: runtime, store, View(), silent).features
    store.close()
    return split, features


def share(order: np.ndarray, flipped: np.ndarray, photos: int) -> float:
    """Returns the fraction of the flipped labels that are in the first SUSPECTS of a ranking."""
    return float(np.isin(flipped, order[: int(photos * SUSPECTS)]).mean())


def flips(split: Split, features: np.ndarray, seeds: int) -> None:
    print("\n| flips, seed | in the first 8 % | of them listed |")
    print("|---|---|---|")
    rows, classes, table = components(features), len(split.labels), []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        ids = split.label_ids
        flipped = rng.choice(len(ids), len(ids) // 20, replace=False)
        ids[flipped] = (ids[flipped] + rng.integers(1, classes, len(flipped))) % classes
        said, _, _ = out_of_fold(rows, ids, classes, groups_of(split.photos))
        ours = np.argsort(label_qualities(ids, said), kind="stable")
        listed = np.array([row for row, _, _ in suspects(ids, said)], np.int64)
        table.append([share(order, flipped, len(ids)) for order in (ours, listed)])
        print(f"| {seed} | " + " | ".join(f"{100 * x:.0f} %" for x in table[-1]) + " |")
    print("| mean | " + " | ".join(f"{100 * x:.1f} %" for x in np.mean(table, axis=0)) + " |", flush=True)


def planted(photos: Path, run_options: Options, seeds: int, scratch: Path) -> None:
    print(
        "\n| near-duplicates, seed | found | "
        + " | ".join(KINDS)
        + " | other pairs | of them also found without the copies |"
    )
    print("|---|---|" + "---|" * len(KINDS) + "---|---|")
    split, features = features_of(run_options)
    before = {frozenset((split.photos[a].name, split.photos[b].name)) for a, b, _ in pairs_of(features)}
    for seed in range(seeds):
        folder = scratch / f"planted{seed}"
        copies: dict[str, tuple[str, str]] = {}
        chosen = np.random.default_rng(seed).choice(len(split.photos), PLANTED, replace=False)
        for number, row in enumerate(chosen):
            photo, kind = split.photos[row], list(KINDS)[number % len(KINDS)]
            change, quality = KINDS[kind]
            path = folder / photo.label / f"planted_{number:03d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(photo.path) as image:
                change(image.convert("RGB")).save(path, quality=quality)
            copies[path.name] = (photo.path, kind)
        for label in split.labels:
            (folder / label).mkdir(parents=True, exist_ok=True)
            for path in (photos / label).iterdir():
                (folder / label / path.name).symlink_to(path.resolve())
        mixed, numbers = features_of(run_options.replaced(image_dir=str(folder)))
        names = [photo.name for photo in mixed.photos]
        originals = {name: Path(path).name for name, (path, _) in copies.items()}
        right: set[str] = set()
        false, known = 0, 0
        for one, other, _ in pairs_of(numbers):
            a, b = names[one], names[other]
            hit = a if originals.get(a) == b else b if originals.get(b) == a else ""
            right |= {hit} - {""}
            false += not hit
            known += frozenset((a, b)) in before
        parts = []
        for kind in KINDS:
            own = [name for name, (_, how) in copies.items() if how == kind]
            parts.append(f"{len(right & set(own))} of {len(own)}")
        found = f"{len(right)} of {PLANTED}, {100 * len(right) / PLANTED:.0f} %"
        print(f"| {seed} | {found} | {' | '.join(parts)} | {false} | {known} |", flush=True)


def pairs_of(features: np.ndarray) -> list[tuple[int, int, float]]:
    return near_pairs(components(features), np.arange(len(features)))


# The same command without its audit, for comparison.
WITHOUT = """
import sys
from retrain import cli
from retrain.pipeline import run
from retrain.types import Audit

class Nothing:
    def __init__(self, *_, **__): pass
    def audit(self, _): return Audit()
    def close(self): pass

run.Auditor = Nothing
sys.exit(cli.main(sys.argv[1:]))
"""


def cost(photos: Path, run_options: Options, scratch: Path, repeat: int) -> None:
    """Times whole processes, alternating with and without the audit; on a busy machine the processor time is the reliable one."""
    print("\n| whole process of a run | with the audit | without | processor, with | without | wait for the audit |")
    print("|---|---|---|---|---|---|")
    flags = [
        f"--image_dir={photos.resolve()}",
        f"--architecture={run_options.network.architecture}",
        f"--model_dir={run_options.network.model_dir}",
    ]
    store = scratch / "tf_files/bottlenecks"

    def timed(begin: list[str], gone: Path | None) -> tuple[float, float]:
        if gone:
            shutil.rmtree(gone, ignore_errors=True)
        start, before = time.perf_counter(), processor_s()
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, *begin, *flags]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            sys.exit(done.stderr[-2000:])
        return time.perf_counter() - start, processor_s() - before

    timed(["-m", "retrain"], None)
    for what, gone in (
        ("second, all kept", None),
        ("features kept, photos not audited yet", store / "audits"),
        ("first, nothing kept", store),
    ):
        rows = []
        for _ in range(repeat):
            ours = timed(["-m", "retrain"], gone)
            path = max((scratch / "tf_files/runs").glob("*/run.json"), key=lambda path: path.stat().st_mtime_ns)
            waited = json.loads(path.read_text("utf-8"))["seconds"]["audit"]
            bare = timed(["-c", WITHOUT], gone)
            rows.append((ours[0], bare[0], ours[1], bare[1], waited))
        middle = [statistics.median(column) for column in zip(*rows, strict=True)]
        print(f"| {what} | " + " | ".join(f"{value:.2f} s" for value in middle) + " |", flush=True)


def processor_s() -> float:
    """Returns the processor time of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def scale(photos: int) -> None:
    """Measures the audit's process alone, on synthetic features: 200 latent features and noise, five classes that overlap."""
    rng = np.random.default_rng(0)
    ids, hidden = np.arange(photos) % 5, rng.standard_normal((200, 1280), dtype=np.float32)
    features = np.empty((photos, 1280), np.float32)
    for start in range(0, photos, 5000):
        some = ids[start : start + 5000]
        mixed = 0.3 * rng.standard_normal((len(some), 200), dtype=np.float32) @ hidden
        features[start : start + 5000] = mixed + 0.4 * hidden[some]
        features[start : start + 5000] += rng.standard_normal((len(some), 1280), dtype=np.float32)
    lists = rng.choice(3, photos, p=[0.8, 0.1, 0.1]).astype(np.int8)
    start_s = time.perf_counter()
    worker = Worker(Task(features, ids, lists, np.arange(photos), np.arange(photos)))
    worker.findings()
    seconds = time.perf_counter() - start_s
    worker.close()
    used_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print("| photos | wall | processor | memory of the process |\n|---|---|---|---|")
    print(f"| {photos:,} | {seconds:.1f} s | {processor_s():.1f} s | {used_gb:.2f} GB |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="*")
    parser.add_argument("--scale", type=int, default=0)
    parser.add_argument("--architecture", default="efficientnet_lite0")
    parser.add_argument("--models", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    if options.scale:
        scale(options.scale)
    for photos in options.photos:
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            if options.models:
                shutil.copytree(options.models, scratch / "models", copy_function=shutil.copyfile)
            run_options = Options.of(
                str(photos),
                architecture=options.architecture,
                model_dir=f"{name}/models",
                bottleneck_dir=f"{name}/bottlenecks",
            )
            print(f"\n{photos.name}, {options.architecture}")
            if options.seeds:
                flips(*features_of(run_options), options.seeds)
                planted(photos, run_options, options.seeds, scratch)
            if options.repeat:
                cost(photos, run_options, scratch, options.repeat)


if __name__ == "__main__":
    main()
