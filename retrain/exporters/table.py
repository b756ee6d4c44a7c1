"""Lists the formats in which a classifier is exported: a row and a module for each.

A row contains the format's flag with its default path and help, the kind of model for label_image, and the module with its EXPORTER
(see `exporter`). The options, `--help`, the usual names and the report are made from these rows. Imports nothing heavy.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from label_image.find_run import HOME
from label_image.model_kinds import table as kinds
from label_image.model_kinds.table import ModelKind

if TYPE_CHECKING:  # it imports NumPy, which `--help` does not need
    from retrain.exporters.exporter import Exporter

QUANTIZATIONS = ("none", "float16", "dynamic", "int8")  # the values of --quantize


@dataclass(frozen=True)
class ExportFormat:
    """The row of one format."""

    name: str  # its name in --export
    kind: str  # its name in run.json
    flag: str  # the flag for its path
    meaning: str  # the help of that flag
    module: str  # the module with its EXPORTER
    runner: ModelKind | None  # the kind of model for label_image; None if label_image cannot run it
    own_name: str = ""  # its file name in tf_files and in the folder of a run; "" means the runner's name
    by_default: bool = False  # whether it is written by default
    needs_litert: bool = False  # whether it is made from the backbone's `.tflite`; otherwise from its float32 graph
    is_folder: bool = False
    quantizable: bool = False  # whether --quantize can write additional files of it

    @property
    def exporter(self) -> Exporter:
        """Imports its module and returns the EXPORTER."""
        exporter: Exporter = importlib.import_module(self.module).EXPORTER
        return exporter

    @property
    def kept(self) -> str:
        """Returns its name in tf_files and in the folder of a run."""
        return self.own_name or (self.runner.kept if self.runner else "")

    @property
    def place(self) -> str:
        """Returns its path if --export lists it and its flag is empty."""
        return f"{HOME}/{self.kept}"

    @property
    def kept_names(self) -> tuple[str, ...]:
        """Lists all names that files of this format can have in the folder of a run.

        >>> TFLITE.kept_names[:2], ONNX.kept_names
        (('retrained.tflite', 'retrained_none.tflite'), ('retrained.onnx',))
        """
        further = QUANTIZATIONS if self.quantizable else ()
        return (self.kept, *(further_name(self.kept, quantize) for quantize in further))

    @property
    def help(self) -> str:
        """Returns the help of its flag."""
        if self.by_default:
            return f"{self.meaning}; an empty value writes none."
        return f"{self.meaning}. Without this flag none is written unless --export names it; then it is {self.place}."


def further_name(name: str, quantize: str) -> str:
    """Returns the file name for an additional precision.

    >>> further_name("retrained.tflite", "int8")
    'retrained_int8.tflite'
    """
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}_{quantize}{dot}{suffix}" if stem else f"{name}_{quantize}"


TFLITE = ExportFormat(
    "tflite", "tflite", "output_tflite", "The file for the classifier as a .tflite", "retrain.exporters.tflite", kinds.TFLITE,
    by_default=True, needs_litert=True, quantizable=True,
)  # fmt: skip
GRAPH = ExportFormat(
    "pb", "graph", "output_graph", "The file for the classifier as a frozen TensorFlow graph", "retrain.exporters.graph", kinds.GRAPH_DEF, by_default=True
)  # fmt: skip
SAVED_MODEL = ExportFormat(
    "saved_model", "saved_model", "saved_model_dir", "The folder for the classifier as a SavedModel", "retrain.exporters.saved_model",
    kinds.SAVED_MODEL, is_folder=True,
)  # fmt: skip
ONNX = ExportFormat(
    "onnx", "onnx", "output_onnx", "The file for the classifier as ONNX", "retrain.exporters.onnx", kinds.ONNX
)
DEVICE_FOLDER = ExportFormat(
    "device_folder", "device_folder", "device_folder",
    "The folder for the classifier with all that a small device needs to run it (model, labels, run.py, a self-test)",
    "retrain.exporters.device_folder", None, "device", needs_litert=True, is_folder=True,
)  # fmt: skip
EXPORT_FORMATS = (TFLITE, GRAPH, SAVED_MODEL, ONNX, DEVICE_FOLDER)


def runs_in_label_image(kind: str) -> bool:
    """Tells whether `python -m label_image --graph` can label with an export, by its name in run.json."""
    return any(row.kind == kind and row.runner for row in EXPORT_FORMATS)
