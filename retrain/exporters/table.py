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

    @property
    def write(self) -> Write:
        """Imports the file that makes this format, and gives its function."""
        function: Write = importlib.import_module(self.module).write
        return function


EXPORTERS = (
    Exporter("tflite", "output_tflite", "retrain.exporters.tflite"),
    Exporter("graph", "output_graph", "retrain.exporters.graph"),
    Exporter("saved_model", "saved_model_dir", "retrain.exporters.saved_model"),
)


def asked(plan: Plan, backbone: Backbone) -> list[tuple[Exporter, Path]]:
    """What a plan asks for and a backbone allows, with the paths."""
    rows = [(row, getattr(plan, row.flag)) for row in EXPORTERS]
    return [(row, Path(path)) for row, path in rows if path and (row.kind != "tflite" or backbone.tflite is not None)]
