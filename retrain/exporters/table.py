"""The formats in which a classifier leaves: a row and a file each."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from label_image.model_metadata import Metadata
from retrain.exporters.stated import restate
from retrain.options.exports import DEVICE_FOLDER, ONNX, SAVED_MODEL_DIR
from retrain.options.options import Options
from retrain.runs import usual_names
from retrain.types import Backbone, Head

Restate = Callable[[Path, Metadata, Metadata], None]
Write = Callable[[Path, Head, Backbone, Metadata], None]


@dataclass(frozen=True)
class Exporter:
    """One row."""

    kind: str
    format: str  # what --export calls it
    flag: str  # the flag that names the path
    module: str  # its `write` makes the file
    kept: str  # its name in the folder of the run
    needs_litert: bool = False  # whether it is made of the backbone's headless `.tflite`; else of its float32 graph
    usual: str = ""  # where it goes when --export asks for it and its flag is empty; "" writes none then

    @property
    def write(self) -> Write:
        """Imports the file that makes this format, and gives its function."""
        function: Write = importlib.import_module(self.module).write
        return function

    @property
    def restate(self) -> Restate:
        """Gives the function that exchanges the figures in a written export's metadata."""
        function: Restate = getattr(importlib.import_module(self.module), "restate_in", restate)
        return function


EXPORTERS = (
    Exporter("tflite", "tflite", "output_tflite", "retrain.exporters.tflite", usual_names.TFLITE, needs_litert=True),
    Exporter("graph", "pb", "output_graph", "retrain.exporters.graph", usual_names.GRAPH),
    Exporter(
        "saved_model", "saved_model", "saved_model_dir", "retrain.exporters.saved_model", usual_names.SAVED_MODEL, usual=SAVED_MODEL_DIR
    ),
    Exporter("onnx", "onnx", "output_onnx", "retrain.exporters.onnx", usual_names.ONNX, usual=ONNX),
    Exporter(
        "device_folder", "device_folder", "device_folder", "retrain.exporters.device_folder", usual_names.DEVICE, True, DEVICE_FOLDER
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Order:
    """One file or folder that a plan asks for."""

    exporter: Exporter
    path: Path  # where the user wants it
    quantize: str = "none"
    name: str = ""  # in the folder of the run
    kept: Path | None = None  # that name with its folder: written there first; None writes to `path` itself


def orders(options: Options) -> list[Order]:
    """What a plan asks for: those of --export, and folders whose flag is given."""
    made = []
    for row in EXPORTERS:
        given = options.value(row.flag)
        asked = row.format in options.exports.formats
        typed = (given or row.usual) if asked or (given and row.usual) else ""
        if not typed:
            continue
        path = Path(typed)
        if row.kind == "tflite":
            made += [
                Order(row, beside(path, name, place), name, beside(Path(row.kept), name, place).name)
                for place, name in enumerate(options.quantizations)
            ]
        else:
            made.append(Order(row, path, options.quantizations[0] if row.needs_litert else "none", row.kept))
    return made


def why_not(order: Order, backbone: Backbone) -> str:
    """Why a backbone does not allow an order; "" where it does."""
    if order.exporter.needs_litert and backbone.tflite is None:
        return f"LiteRT can not run {backbone.name}"
    if not order.exporter.needs_litert and backbone.precision != "float32":
        return f"only LiteRT runs {backbone.name} in {backbone.precision}"
    return ""


def beside(path: Path, name: str, place: int) -> Path:
    """`retrained.tflite` for the first, `retrained_int8.tflite` for a further one."""
    return path.with_name(f"{path.stem}_{name}{path.suffix}") if place else path
