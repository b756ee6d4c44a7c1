"""The formats in which a classifier leaves: a row and a file each."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from label_image.card import Card
from retrain.nouns import Backbone, Head
from retrain.plan import Plan

Write = Callable[[Path, Head, Backbone, Card], None]


@dataclass(frozen=True)
class Exporter:
    """One row."""

    kind: str
    flag: str  # the flag that names the path; an empty value writes none
    module: str  # its `write` makes the file
    needs_litert: bool = False  # whether it is made of the backbone's headless `.tflite`

    @property
    def write(self) -> Write:
        """Imports the file that makes this format, and gives its function."""
        function: Write = importlib.import_module(self.module).write
        return function


EXPORTERS = (
    Exporter("tflite", "output_tflite", "retrain.exporters.tflite", needs_litert=True),
    Exporter("graph", "output_graph", "retrain.exporters.graph"),
    Exporter("saved_model", "saved_model_dir", "retrain.exporters.saved_model"),
    Exporter("device_folder", "device_folder", "retrain.exporters.device_folder", needs_litert=True),
)


def asked(plan: Plan, backbone: Backbone) -> list[tuple[Exporter, Path]]:
    """What a plan asks for and a backbone allows, with the paths."""
    return [(row, path) for row, path in _wanted(plan) if backbone.tflite is not None or not row.needs_litert]


def impossible(plan: Plan, backbone: Backbone) -> list[Path]:
    """What a plan asks for and a backbone that LiteRT can not run does not allow."""
    return [path for row, path in _wanted(plan) if backbone.tflite is None and row.needs_litert]


def _wanted(plan: Plan) -> list[tuple[Exporter, Path]]:
    return [(row, Path(getattr(plan, row.flag))) for row in EXPORTERS if getattr(plan, row.flag)]
