"""Runs the systems of the tutorials with their flags, keeps their results, and draws their curves.

    python -m benchmarks.tutorials --mnist FOLDER --cifar10 FOLDER --flowers FOLDER [--only lenet,quick_start] [--out FOLDER]

Each FOLDER is one for `python -m retrain --image_dir`; `python -m retrain.convert` makes those of MNIST and CIFAR-10. A run that
exists is not repeated, so that an interruption costs only one run. `docs/tutorials.md` contains the results.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.process import run

_LENET = (
    "--architecture lenet --weights none --train all --optimizer momentum --momentum 0.9 --learning_rate 0.01 "
    "--weight_decay 0.0005 --train_batch_size 64 --eval_step_interval 500"
)
_INV = "--lr_policy inv --gamma 0.0001 --power 0.75"
_TEN = "--how_many_training_steps 10000"
_RESNET = (
    "--architecture resnet20 --weights none --train all --optimizer momentum --momentum 0.9 --weight_decay 0.0001 "
    "--lr_policy cosine --train_batch_size 128 --epochs 15 --snapshot_steps 352"
)
_SHIFTED = "--pad_and_crop 4 --flip_left_right"
_MODULE = "lite0_module"  # a TF2 module in --out from the weights of EfficientNet-Lite0, so that TF-Hub's servers are not needed
_TFHUB = f"--tfhub_module ../../{_MODULE} --label_smoothing 0.1 --dropout 0.2"
_UNFROZEN = "--fine_tune_learning_rate 0.005 --fine_tune_optimizer momentum --epochs 5 --augment=false"
_ALEXNET = "--architecture alexnet --weights none --train all --train_batch_size 32 --eval_step_interval 26"


@dataclass(frozen=True)
class Section:
    """One tutorial: its photos and its runs."""

    photos: str  # "mnist", "cifar10" or "flowers"
    runs: dict[str, str]  # name -> flags


SECTIONS = {
    "lenet": Section(
        "mnist",
        {
            "inv": f"{_LENET} {_INV} {_TEN}",
            "step": f"{_LENET} --lr_policy step --gamma 0.1 --stepsize 2500 {_TEN}",
            "20,000 steps": f"{_LENET} {_INV} --how_many_training_steps 20000",
            "sigmoid": f"{_LENET} {_INV} {_TEN} --activation sigmoid",
            "tanh": f"{_LENET} {_INV} {_TEN} --activation tanh",
            "10 maps": f"{_LENET} {_INV} {_TEN} --feature_maps 10",
            "40 maps": f"{_LENET} {_INV} {_TEN} --feature_maps 40",
        },
    ),
    "quick_start": Section(
        "mnist",
        {
            "mlp": "--architecture mlp --weights none --train all --optimizer adam --learning_rate 0.001 --train_batch_size 32 --epochs 5",
            "simple_cnn": "--architecture simple_cnn --weights none --train all --optimizer adam --learning_rate 0.001 --train_batch_size 128 --epochs 7",
        },
    ),
    "raspberry_pi": Section(
        "mnist",
        {
            "pytorch_mnist": "--architecture pytorch_mnist --weights none --train all --optimizer adam --learning_rate 0.001 --train_batch_size 64 --epochs 5 --device_folder pi"
        },
    ),
    "resnet": Section(
        "cifar10",
        {
            "batch norm, augmentation": f"{_RESNET} --learning_rate 0.1 {_SHIFTED}",
            "batch norm": f"{_RESNET} --learning_rate 0.1",
            "augmentation": f"{_RESNET} --learning_rate 0.005 --nobatch_norm {_SHIFTED}",
            "neither": f"{_RESNET} --learning_rate 0.005 --nobatch_norm",
        },
    ),
    "tfhub": Section(
        "flowers",
        {
            "frozen": f"{_TFHUB} --optimizer momentum --momentum 0.9 --learning_rate 0.005",
            "unfrozen": f"{_TFHUB} --optimizer momentum --momentum 0.9 --learning_rate 0.005 --train all {_UNFROZEN}",
        },
    ),
    "alexnet": Section(
        "flowers",
        {
            "gradient descent, 0.01": f"{_ALEXNET} --optimizer sgd --learning_rate 0.01 --epochs 20",
            "adam, 0.01": f"{_ALEXNET} --optimizer adam --learning_rate 0.01 --epochs 10",
            "adam, 0.0001": f"{_ALEXNET} --optimizer adam --learning_rate 0.0001 --epochs 10",
        },
    ),
}


def main() -> int:
    """Runs the program; returns the exit status."""
    options = _options()
    for name in options.only.split(",") if options.only else SECTIONS:
        if name not in SECTIONS:
            print(f"tutorials: {name!r} is not a section; choose from {', '.join(SECTIONS)}", file=sys.stderr)
            return 2
        section = SECTIONS[name]
        photos = getattr(options, section.photos)
        if photos is None:
            print(f"tutorials: {name} is left out: give --{section.photos}=FOLDER", file=sys.stderr)
            continue
        if name == "tfhub":
            make_module(options.out / _MODULE)
        records = {}
        for number, (label, flags) in enumerate(section.runs.items()):
            records[label] = record_of(options.out / name / f"run_{number}", photos.resolve(), flags)
            print(f"{name}, {label}: {line(records[label])}", flush=True)
            (options.out / f"{name}.md").write_text(table(records), "utf-8")
            (options.out / f"{name}.svg").write_text(curves(records), "utf-8")
            if name == "alexnet":
                folders = {run: options.out / name / f"run_{place}" for place, run in enumerate(records)}
                (options.out / f"{name}_weights.md").write_text(spreads(folders), "utf-8")
    return 0


def record_of(folder: Path, photos: Path, flags: str) -> dict[str, Any]:
    """Returns the record of a run in a folder; makes the run if it does not exist."""
    if not list(folder.glob("tf_files/runs/*/run.json")):
        folder.mkdir(parents=True, exist_ok=True)
        words = ["-m", "retrain", f"--image_dir={photos}", *shlex.split(flags), "--report=none", "--export=tflite"]
        snapshots = sorted(folder.glob("tf_files/*_step_*.npz"), key=lambda path: path.stat().st_mtime)
        words += [f"--resume={path.relative_to(folder)}" for path in snapshots[-1:]]
        run(words, folder)
    (path,) = folder.glob("tf_files/runs/*/run.json")
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return record


def make_module(folder: Path) -> None:
    """Makes a TF2 module of EfficientNet-Lite0 as on TF-Hub: pixels of 0 to 1, `training`, lists of variables, normalisation included."""
    if (folder / "saved_model.pb").exists():
        return
    import tensorflow as tf

    from retrain.backbones import prepare
    from retrain.backbones.network_keras import to_keras
    from retrain.options.options import Options

    network = prepare.network_of(Options.of(image_dir="x").network)
    model, module = to_keras(network), tf.train.Checkpoint()
    module.variables = [weight.value for weight in model.weights]
    module.trainable_variables = [weight.value for weight in model.trainable_weights]
    module.__call__ = tf.function(lambda images, training=False: model((images * 255 - 127) / 128, training=training))
    for training in (True, False):
        images = tf.TensorSpec([None, network.size_px, network.size_px, 3], tf.float32)
        module.__call__.get_concrete_function(images, training=training)
    tf.saved_model.save(module, str(folder))


def line(record: dict[str, Any]) -> str:
    """Returns the results of a run."""
    low, high = record["interval_95"]
    seconds = sum(record["seconds"].values())
    return (
        f"{record['accuracy']:.2%} of {record['tested']:,} ({low:.2%} to {high:.2%}), recall@2 {record['recall_at_2']:.2%}, "
        f"{seconds:,.0f} s, of which training {record['seconds'].get('fine_tuning', record['seconds']['training']):,.0f} s"
    )


def table(records: dict[str, dict[str, Any]]) -> str:
    """Returns a Markdown table with a row for each run."""
    rows = ["| run | test accuracy (95% confidence interval) | recall@2 | training, s |", "|---|---|---|---|"]
    for label, record in records.items():
        low, high = record["interval_95"]
        seconds = record["seconds"].get("fine_tuning", record["seconds"]["training"])
        rows.append(
            f"| {label} | {record['accuracy']:.2%} ({low:.2%} to {high:.2%}) | {record['recall_at_2']:.2%} | {seconds:,.0f} |"
        )
    return "\n".join(rows) + "\n"


def spreads(folders: dict[str, Path]) -> str:
    """Returns a Markdown table of the standard deviation of each layer's weights at the first and the last evaluation, from TensorBoard's files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    rows: dict[str, list[str]] = {}
    for folder in folders.values():
        curves = max(folder.glob("tf_files/training_summaries/*/train"))  # event files of the last run
        events = EventAccumulator(str(curves), size_guidance={"scalars": 0})
        events.Reload()
        for tag in events.Tags()["scalars"]:
            layer = re.fullmatch(r"(.*)/(kernel|weights)/summaries/stddev_1", tag)
            if layer:
                values = [event.value for event in events.Scalars(tag)]
                rows.setdefault(layer[1], []).append(f"{values[0]:.4f} to {values[-1]:.4f}")
    head = f"| layer | {' | '.join(folders)} |\n|{'---|' * (len(folders) + 1)}\n"
    return head + "".join(f"| {layer} | {' | '.join(cells)} |\n" for layer, cells in rows.items())


def curves(records: dict[str, dict[str, Any]]) -> str:
    """Draws validation accuracy over the steps as SVG, with a line for each run."""
    import pygal

    chart = pygal.XY(x_title="step", y_title="validation accuracy", show_dots=False, width=800, height=450, js=[])
    for label, record in records.items():
        curve = record["curve"]
        chart.add(label, list(zip(curve["steps"], curve["validation_accuracy"], strict=True)))
    drawn: str = chart.render(is_unicode=True)
    return drawn


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tutorials", description=__doc__.splitlines()[0])
    for photos in ("mnist", "cifar10", "flowers"):
        parser.add_argument(f"--{photos}", type=Path, help="an image folder")
    parser.add_argument("--only", default="", help=f"sections, separated by commas: {', '.join(SECTIONS)}")
    parser.add_argument("--out", type=Path, default=Path("tutorials"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
