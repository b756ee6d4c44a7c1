"""Implements the stage that prepares a pretrained network."""

from __future__ import annotations

from dataclasses import dataclass

from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.prepare import prepare
from retrain.backbones.quantize import quantized
from retrain.console import Screen
from retrain.features.runtimes import Runtime, choose
from retrain.options.options import Options
from retrain.pipeline.photos import SplitPhotos
from retrain.types import Backbone


@dataclass(frozen=True)
class ReadyBackbone:
    """A network without its head, and what runs it."""

    backbone: Backbone
    runtime: Runtime


def backbone_stage(options: Options, photos: SplitPhotos, screen: Screen) -> ReadyBackbone:
    """Prepares the network with its pretrained weights, in the requested precision."""
    backbone = prepare(options.network, screen.info)
    precision = options.network.backbone_precision
    if precision != "float32":
        folder = ModelFolder.of(options.network, screen.info)
        backbone = quantized(backbone, precision, photos.training, folder, screen.info)
    runtime = choose(backbone, options.network.device)
    screen.info(f"{backbone.name}: {backbone.width} features a photo, from {backbone.source}; {runtime.why}")
    return ReadyBackbone(backbone, runtime)


def int8_backbone(options: Options, backbone: Backbone, photos: SplitPhotos, screen: Screen) -> ReadyBackbone:
    """Makes the int8 variant of a float32 backbone."""
    folder = ModelFolder.of(options.network, screen.info)
    int8 = quantized(backbone, "int8", photos.training, folder, screen.info)
    return ReadyBackbone(int8, choose(int8, "cpu"))
