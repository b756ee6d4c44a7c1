"""A name in, a Backbone ready to run out: built from its weights once, then kept under their digest.

Where weights are looked for is `weights`' affair (and `tfhub`'s, and `keras_applications`'); where all is kept, `shelf`'s.
"""

from __future__ import annotations

from collections.abc import Callable

from label_image.errors import RunError
from label_image.quiet import check_tensorflow
from retrain.backbones import weights
from retrain.backbones.frozen_graph import FrozenGraph, to_tflite
from retrain.backbones.model_folder import Shelf, Weights
from retrain.backbones.network_layers import FEATURES, INPUT, Network
from retrain.backbones.table import Architecture, architecture
from retrain.formats.graph_def import parse_graph
from retrain.options.network import DEFAULT_ARCHITECTURE
from retrain.options.options import Options
from retrain.types import Backbone

OURS = ("efficientnet_lite", "mobilenet")  # families that are kept as layers and written without TensorFlow


def prepare(options: Options, say: Callable[[str], None]) -> Backbone:
    """Makes the backbone of a plan ready.

    Args:
      plan: architecture or tfhub_module, model_dir, offline.
      say: called with a line about long work: a download, a conversion.

    Raises:
      UserError: an unknown name, or a folder that is no module.
      RunError: weights that are not to be had or not to be read; the line says what to do.
    """
    row = architecture(options.network.architecture, options.network.tfhub_module)
    shelf = Shelf(options, say)
    found = _find(row, shelf)
    kept = shelf.kept(row, found)
    if kept:
        return kept
    if row.family in OURS:
        return _keep_network(row, found, shelf)
    say(f"making {row.name} ready with TensorFlow, once")
    try:
        frozen = _load(row, found, shelf)
        tflite, why_no_tflite = to_tflite(frozen)
    except ValueError as error:
        raise RunError(f"cannot use {row.name}: {error}") from None
    return shelf.keep(row, found, frozen, tflite, why_no_tflite)


def check_installed(options: Options, row: Architecture) -> None:
    """Finds out before the work whether this network can be made ready, or is already.

    Raises:
      RunError: TensorFlow makes it ready, and is not installed.
    """
    if row.family not in OURS and not Shelf(options, lambda _: None).has_kept(row):
        check_tensorflow(row.name, f"use {DEFAULT_ARCHITECTURE}, which needs none")


def network_of(options: Options) -> Network:
    """The network of a plan as layers with weights, for those that we write ourselves.

    Raises:
      RunError: weights that are not to be had, or a backbone of another kind.
    """
    row = architecture(options.network.architecture, options.network.tfhub_module)
    if row.family not in OURS:
        raise RunError(f"{row.name} is not kept as layers")
    return _network(row, _find(row, Shelf(options, lambda _: None)))


def _find(row: Architecture, shelf: Shelf) -> Weights:
    if row.family == "efficientnet_lite":
        return weights.from_package(row, shelf)
    if row.family in ("mobilenet", "inception"):
        return weights.from_archive(row, shelf)
    if row.family == "tfhub":
        from retrain.backbones.families import tfhub

        return tfhub.find(row, shelf)
    from retrain.backbones.families import keras_applications

    return keras_applications.find(row, shelf)


def _network(row: Architecture, found: Weights) -> Network:
    if row.family == "efficientnet_lite":
        from retrain.backbones.families import efficientnet_lite

        return efficientnet_lite.load(row.name, found.data)
    from retrain.backbones.families import mobilenet

    return mobilenet.to_network(parse_graph(found.data, str(found.path)), row.size_px)


def _keep_network(row: Architecture, found: Weights, shelf: Shelf) -> Backbone:
    from retrain.backbones import network_tflite
    from retrain.backbones.network_graph import to_graph

    network = _network(row, found)
    size_px = network.size_px
    frozen = FrozenGraph(to_graph(network), INPUT, FEATURES, size_px, size_px, row.mean, row.std, network.width)
    return shelf.keep(row, found, frozen, network_tflite.to_tflite(network))


def _load(row: Architecture, found: Weights, shelf: Shelf) -> FrozenGraph:
    if row.family == "inception":
        from retrain.backbones.families import inception

        return inception.headless(parse_graph(found.data, str(found.path)))
    if row.family == "tfhub":
        from retrain.backbones.families import tfhub

        return tfhub.load(row, found)
    from retrain.backbones.families import keras_applications

    return keras_applications.load(row, found, shelf)
