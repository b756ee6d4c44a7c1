"""A classifier's file in, its Card out: from the card inside it, or else from what the graph shows, and why.

Never runs a network. What the user typed (Overrides) comes before what was found; each fact says where it came from.
"""

from __future__ import annotations

import dataclasses
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from label_image import card as cards
from label_image.card import CARD_KEY, Card
from label_image.errors import RunError, UserError
from label_image.labels import read_labels


@dataclass(frozen=True)
class Overrides:
    """What the user typed; None or "" is what he left out. 0 is a value like any other."""

    labels: str = ""
    input_height: int | None = None
    input_width: int | None = None
    input_mean: float | None = None
    input_std: float | None = None
    input_layer: str = ""
    output_layer: str = ""


# What the original label_image took when it was told nothing (FLAGS.md, generations L4 to L6).
_ORIGINAL = Card((), 224, 224, (128.0,), (128.0,), "input", "final_result")


def kind_of(path: Path) -> str:
    """Which runtime a file is for, by its content: "tflite", "graph_def" or "saved_model".

    Raises:
      UserError: if it is not there, or is none of these.
    """
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return "saved_model"
        raise UserError(
            f"cannot use {path}: a folder without saved_model.pb; give a .tflite, a .pb or a SavedModel folder"
        )
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise UserError(
            f"cannot use {path}: no such file; train one first (python -m retrain --image_dir ...) or give another --graph"
        ) from None
    if head[4:8] == b"TFL3":
        return "tflite"
    if path.suffix == ".tflite":
        raise RunError(f"cannot use {path}: it is no .tflite (its bytes 4 to 8 are {head[4:8]!r}, not b'TFL3')")
    return "graph_def"


def card_of(path: Path, overrides: Overrides) -> Card:
    """What `path` takes and gives.

    Args:
      path: a `.tflite`, a GraphDef or a SavedModel folder.
      overrides: what the user typed.

    Raises:
      UserError: the file is not there or not to be understood.
    """
    kind = kind_of(path)
    found = {"tflite": _tflite_card, "graph_def": _graph_card, "saved_model": _saved_model_card}[kind](path)
    return _overridden(found, overrides)


def embedded_tflite_card(path: Path) -> str | None:
    """The JSON of the card inside a `.tflite`; None if there is none."""
    from ai_edge_litert import schema_py_generated as schema

    data = np.memmap(path, np.uint8, "r")
    try:
        model = schema.Model.GetRootAs(data, 0)
        for index in range(model.MetadataLength()):
            entry = model.Metadata(index)
            if entry.Name() == CARD_KEY.encode():
                return bytes(model.Buffers(entry.Buffer()).DataAsNumpy()).decode()
    except (struct.error, IndexError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise RunError(f"cannot read {path}: the .tflite is damaged ({type(error).__name__})") from None
    return None


def _tflite_card(path: Path) -> Card:
    text = embedded_tflite_card(path)
    if text:
        return cards.from_json(text, str(path))
    from ai_edge_litert.interpreter import Interpreter

    from label_image.quiet import native_noise_hidden

    try:
        with native_noise_hidden():
            shape = [int(size) for size in Interpreter(str(path)).get_input_details()[0]["shape"]]
    except (ValueError, RuntimeError) as error:
        raise RunError(f"cannot run {path}: LiteRT refuses it ({str(error).splitlines()[0][:160]})") from None
    if len(shape) != 4:
        raise RunError(f"cannot use {path}: its input has shape {shape}, a photo needs [1, height, width, 3]")
    facts = {"size": "the input's shape", "range": "a guess: -1..1 (override: --input_mean, --input_std)"}
    return dataclasses.replace(
        _ORIGINAL, height_px=shape[1], width_px=shape[2], mean=(127.5,), std=(127.5,), facts=facts
    )


def _graph_card(path: Path) -> Card:
    from label_image.runners.tensorflow import read_graph_def

    graph_def = read_graph_def(path)
    for node in graph_def.node:
        if node.name == CARD_KEY:
            return cards.from_json(node.attr["value"].tensor.string_val[0], str(path))
    facts = dict.fromkeys(("size", "range", "input", "output"), "the original's default")
    return dataclasses.replace(_ORIGINAL, facts=facts)


def _saved_model_card(path: Path) -> Card:
    inside = path / "assets.extra" / f"{CARD_KEY}.json"
    if inside.is_file():
        return cards.from_json(inside.read_bytes(), str(inside))
    return dataclasses.replace(_ORIGINAL, mean=(0.0,), std=(255.0,), facts={"range": "TF-Hub's convention: 0..1"})


def _overridden(card: Card, typed: Overrides) -> Card:
    changes: dict[str, Any] = {}
    facts = dict(card.facts)
    if typed.labels:
        changes["labels"], facts["labels"] = read_labels(Path(typed.labels)), "--labels"
    for name, value in (("height_px", typed.input_height), ("width_px", typed.input_width)):
        if value is not None:
            changes[name], facts["size"] = value, "--input_height, --input_width"
    for name, number in (("mean", typed.input_mean), ("std", typed.input_std)):
        if number is not None:
            changes[name], facts["range"] = (number,), "--input_mean, --input_std"
    for name, layer in (("input_layer", typed.input_layer), ("output_layer", typed.output_layer)):
        if layer:
            changes[name], facts[name.split("_")[0]] = layer, f"--{name}"
    return dataclasses.replace(card, **changes, facts=facts)
