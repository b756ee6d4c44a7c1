"""A plan in; the photos, their features and the network that they come from out, or the trained network with its layer.

For --train=head the network is as it came and the layer is trained afterwards; else both are trained here.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.prepare import prepare
from retrain.backbones.quantize import quantized
from retrain.clock import Clock
from retrain.console import Screen
from retrain.data.scan import few_photo_notes, scan_photos
from retrain.data.split import split_photos
from retrain.features.runtimes import Runtime, choose
from retrain.options.distortions import DISTORTIONS
from retrain.options.options import Options
from retrain.pipeline.features_stage import features_stage, int8_twin, training_photos
from retrain.pipeline.training_stage import training_stage
from retrain.report.tensorboard import Summaries
from retrain.store.feature_store import Store
from retrain.types import Backbone, Bottlenecks, Head, Pace, Scan, Split

_TUNED_FEATURES = "features_of_the_last_run"  # a folder of --fine_tuned_dir that only we would call so: it is emptied

_CLASSES_SAID = 20  # class folders whose line is printed; more are counted at the end of the scan

Network = tuple[Backbone, Runtime]


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What the layer is trained on, or the layer too where the network was trained with it."""

    scan: Scan
    split: Split
    network: Network
    bottlenecks: Bottlenecks
    pace: Pace
    head: Head | None = None
    twin: tuple[Backbone, Bottlenecks] | None = None  # for --quantize=int8


def prepared(options: Options, clock: Clock, screen: Screen) -> Prepared:
    """Scans and deals the photos, makes the network ready or trains it, and gets the features of all photos."""
    store = Store(Path(options.run.bottleneck_dir))
    try:
        with clock.stage("scan"):
            scan = scan_photos(options, store, screen.first(_CLASSES_SAID))
            split = split_photos(scan, options)
        screen.notes([*few_photo_notes(scan), *scan.notes])
        made = None
        if options.finetune.weights != "none":
            with clock.stage("backbone"):
                network = pretrained(options, split, screen)
                if options.finetune.tunes:
                    check_trainable(options)
            made = featured(options, scan, split, (*network, store), clock, screen)
        if made is None or options.finetune.tunes:
            begin = None
            if made:
                scan, split = made.scan, made.split
                with clock.stage("training"):
                    begin = training_stage(layer_plan(options), split, made.bottlenecks, made.network[0], screen)
            with clock.stage("fine_tuning"):
                backbone, runtime, head = fine_tuning_stage(options, split, begin, screen)
            store.close()
            store = tuned_store(options)
            made = featured(options, scan, split, (backbone, runtime, store), clock, screen)
            made = dataclasses.replace(made, head=head)
        with clock.stage("int8"):
            twin = int8_twin(undistorted(options), made.split, made.network[0], store, screen)
        return dataclasses.replace(made, twin=twin)
    finally:
        store.close()


def featured(
    options: Options, scan: Scan, split: Split, tools: tuple[Backbone, Runtime, Store], clock: Clock, screen: Screen
) -> Prepared:
    """The features of all photos; a network that is trained sees its distortions anew at each step, not as kept views."""
    with clock.stage("features"):
        scan, split, bottlenecks, pace = features_stage(undistorted(options), scan, split, tools, screen)
    return Prepared(scan, split, tools[:2], bottlenecks, pace)


def pretrained(options: Options, split: Split, screen: Screen) -> Network:
    """The backbone of a plan with the weights that it came with, and what runs it."""
    backbone = prepare(options.network, screen.info)
    if options.network.backbone_precision != "float32":
        backbone = quantized(
            backbone,
            options.network.backbone_precision,
            training_photos(split),
            ModelFolder.of(options.network, screen.info),
            screen.info,
        )
    runtime = choose(backbone, options.network.device)
    screen.info(f"{backbone.name}: {backbone.width} features a photo, from {backbone.source}; {runtime.why}")
    return backbone, runtime


def check_trainable(options: Options) -> None:
    """Raises UserError or RunError where the network can not be trained so, before its features are computed."""
    from retrain.finetune.stage import check

    check(options)


def fine_tuning_stage(
    options: Options, split: Split, head: Head | None, screen: Screen
) -> tuple[Backbone, Runtime, Head]:
    """Trains the network, from a trained layer on or from nothing; writes summaries on the way."""
    from retrain.finetune.stage import finetune

    summaries = Summaries(Path(options.run.summaries_dir)) if options.run.summaries_dir else None
    try:
        backbone, tuned = finetune(options, split, head, screen, summaries.write_network if summaries else None)
    finally:
        if summaries:
            summaries.close()
    return backbone, choose(backbone, options.network.device), tuned


def tuned_store(options: Options) -> Store:
    """An empty store for the features of a network that only this run has."""
    folder = Path(options.finetune.fine_tuned_dir) / _TUNED_FEATURES
    shutil.rmtree(folder, ignore_errors=True)
    return Store(folder)


def undistorted(options: Options) -> Options:
    """The same without distortions where a network is trained."""
    nothing: dict[str, Any] = dict.fromkeys(DISTORTIONS, 0)
    return options.replaced(**nothing) if options.finetune.tunes else options


def layer_plan(options: Options) -> Options:
    """How the layer is trained from which the network goes on: quickly, and what is asked of steps is asked of the network's."""
    quiet: dict[str, Any] = {"snapshot_steps": 0, "resume": "", "summaries_dir": "", "intermediate_store_frequency": 0}
    return undistorted(options).replaced(**quiet)
