"""A name in, a Backbone ready to run out: built from its weights once, kept in --model_dir under their digest.

For each backbone three files: `.tflite` (headless, for LiteRT), `.pb` (headless, for TensorFlow and the frozen export) and
`.json` (what they take). The `.json` is written last: where it is, the others are whole.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from label_image.errors import RunError
from retrain.atomic import replacing
from retrain.backbones import weights as sources
from retrain.backbones.frozen import FrozenGraph
from retrain.backbones.network import FEATURES, INPUT, Network
from retrain.backbones.table import Architecture, architecture
from retrain.graph_def import parse_graph
from retrain.nouns import Backbone
from retrain.plan import Plan

BUILD = 1  # raise it when the same weights become another file


def prepare(plan: Plan, say: Callable[[str], None]) -> Backbone:
    """Makes the backbone of a plan ready.

    Args:
      plan: architecture or tfhub_module, model_dir, offline.
      say: called with a line about long work: a download, a conversion.

    Raises:
      UserError: an unknown name.
      RunError: weights that are not to be had or not to be read; the line says what to do.
    """
    row = architecture(plan.architecture, plan.tfhub_module)
    if row.family == "efficientnet_lite":
        found = sources.from_package(row, plan)
        return _kept(row, found, plan) or _keep_network(row, found, plan, _efficientnet(row, found))
    if row.family in ("mobilenet", "inception"):
        found = sources.from_archive(row, plan, say)
        kept = _kept(row, found, plan)
        if kept:
            return kept
        graph = parse_graph(found.data if found.data is not None else found.path.read_bytes(), str(found.path))
        if row.family == "mobilenet":
            from retrain.backbones import mobilenet

            return _keep_network(row, found, plan, mobilenet.to_network(graph, row.size_px))
        from retrain.backbones import inception

        return _keep_graph(row, found, plan, inception.headless(graph), say)
    return _from_tensorflow(row, plan, say)


def network_of(plan: Plan) -> Network:
    """The network of a plan as layers with weights, for those that we write ourselves.

    Raises:
      RunError: weights that are not to be had, or a backbone of another kind.
    """
    row = architecture(plan.architecture, plan.tfhub_module)
    if row.family == "efficientnet_lite":
        return _efficientnet(row, sources.from_package(row, plan))
    if row.family == "mobilenet":
        from retrain.backbones import mobilenet

        found = sources.from_archive(row, plan, lambda _: None)
        graph = parse_graph(found.data if found.data is not None else found.path.read_bytes(), str(found.path))
        return mobilenet.to_network(graph, row.size_px)
    raise RunError(f"{row.name} is not kept as layers")


def _efficientnet(row: Architecture, found: sources.Weights) -> Network:
    from retrain.backbones import efficientnet_lite

    return efficientnet_lite.load(row.name, found.path)


def _from_tensorflow(row: Architecture, plan: Plan, say: Callable[[str], None]) -> Backbone:
    say(f"loading {row.name} with TensorFlow")
    if row.family == "tfhub":
        from retrain.backbones import tfhub

        frozen, digest, source = tfhub.load(row, plan)
    else:
        from retrain.backbones import keras_applications

        frozen, digest, source = keras_applications.load(row, plan)
    found = sources.Weights(Path(row.name), digest, source)
    return _kept(row, found, plan) or _keep_graph(row, found, plan, frozen, say)


def _stem(row: Architecture, found: sources.Weights, plan: Plan) -> Path:
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", row.name)[-60:]
    digest = hashlib.sha256(f"{BUILD}:{found.digest}".encode()).hexdigest()
    return Path(plan.model_dir) / f"{name}-{digest[:12]}"


def _kept(row: Architecture, found: sources.Weights, plan: Plan) -> Backbone | None:
    """The backbone as it was kept; None if it was not, or not whole."""
    stem = _stem(row, found, plan)
    try:
        fields = json.loads(_file(stem, ".json").read_text("utf-8"))
        tflite = _file(stem, ".tflite") if fields.pop("has_tflite") else None
        fields["mean"], fields["std"] = tuple(fields["mean"]), tuple(fields["std"])
        backbone = Backbone(graph=_file(stem, ".pb"), tflite=tflite, **fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return backbone if backbone.graph.is_file() and (tflite is None or tflite.is_file()) else None


def _keep_network(row: Architecture, found: sources.Weights, plan: Plan, network: Network) -> Backbone:
    from retrain.backbones.network_graph import to_graph
    from retrain.backbones.network_tflite import to_tflite

    frozen = FrozenGraph(
        to_graph(network), INPUT, FEATURES, network.size_px, network.size_px, row.mean, row.std, network.width
    )
    return _keep(row, found, plan, frozen, to_tflite(network), "")


def _keep_graph(
    row: Architecture, found: sources.Weights, plan: Plan, frozen: FrozenGraph, say: Callable[[str], None]
) -> Backbone:
    from retrain.backbones.frozen import to_tflite

    say(f"converting {row.name} for LiteRT, once")
    tflite, why = to_tflite(frozen)
    return _keep(row, found, plan, frozen, tflite, why)


def _keep(
    row: Architecture, found: sources.Weights, plan: Plan, frozen: FrozenGraph, tflite: bytes | None, why: str
) -> Backbone:
    stem = _stem(row, found, plan)
    fields: dict[str, Any] = {
        "name": row.name,
        "digest": stem.name.rsplit("-", 1)[1],
        "height_px": frozen.height_px,
        "width_px": frozen.width_px,
        "mean": frozen.mean,
        "std": frozen.std,
        "width": frozen.width,
        "input_layer": frozen.input_layer,
        "features_layer": frozen.features_layer,
        "why_no_tflite": why,
        "source": found.source,
        "licence": row.licence,
    }
    try:
        if tflite is not None:
            _write(_file(stem, ".tflite"), tflite)
        _write(_file(stem, ".pb"), frozen.graph.SerializeToString(deterministic=True))
        _write(_file(stem, ".json"), json.dumps({**fields, "has_tflite": tflite is not None}, indent=1).encode())
    except OSError as error:
        raise RunError(
            f"cannot keep {row.name} in {plan.model_dir}: {error.strerror or error}; choose another --model_dir"
        ) from None
    return Backbone(
        graph=_file(stem, ".pb"),
        tflite=_file(stem, ".tflite") if tflite is not None else None,
        **fields,
    )


def _file(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)  # with_suffix would cut at the dot of "0.25"


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as scratch:
        scratch.write_bytes(data)
