"""Lists the formats in which a classifier is exported: a row and a file for each.

A row names the format's flag, its place and its help, what label_image runs it as, and the file with its EXPORTER (see
`exporter`). The options, `--help`, the usual names and the report are made from these rows. Imports nothing heavy.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from label_image.find_run import HOME
from label_image.model_kinds import table as kinds
from label_image.model_kinds.table import ModelKind

if TYPE_CHECKING:  # it needs NumPy, which `--help` does without
    from retrain.exporters.exporter import Exporter

QUANTIZATIONS = ("none", "float16", "dynamic", "int8")  # what --quantize knows


@dataclass(frozen=True)
class ExportFormat:
    """One row."""

    name: str  # what --export calls it
    kind: str  # what run.json calls it
    flag: str  # the flag that says where it goes
    meaning: str  # of that flag, for --help
    module: str  # the file with its EXPORTER
    runner: ModelKind | None  # what label_image runs it as; None where it does not
    own_name: str = ""  # its name in tf_files and in the folder of a run; "" is the runner's
    by_default: bool = False  # whether it is written without being asked for
    needs_litert: bool = False  # whether it is made of the backbone's headless `.tflite`; else of its float32 graph
    is_folder: bool = False
    quantizable: bool = False  # whether --quantize writes further files of it

    @property
    def exporter(self) -> Exporter:
        """Imports the file of the format and returns its exporter."""
        exporter: Exporter = importlib.import_module(self.module).EXPORTER
        return exporter

    @property
    def kept(self) -> str:
        """The name of the export in tf_files and in the folder of a run."""
        return self.own_name or (self.runner.kept if self.runner else "")

    @property
    def place(self) -> str:
        """The path if --export lists the format and its flag is empty."""
        return f"{HOME}/{self.kept}"

    @property
    def kept_names(self) -> tuple[str, ...]:
        """All names that files of this format can have in the folder of a run.

        >>> TFLITE.kept_names[:2], ONNX.kept_names
        (('retrained.tflite', 'retrained_none.tflite'), ('retrained.onnx',))
        """
        further = QUANTIZATIONS if self.quantizable else ()
        return (self.kept, *(further_name(self.kept, quantize) for quantize in further))

    @property
    def help(self) -> str:
        """The help of its flag."""
        if self.by_default:
            return f"{self.meaning}; an empty value writes none."
        return f"{self.meaning}. Without this flag none is written unless --export names it; then it is {self.place}."


def further_name(name: str, quantize: str) -> str:
    """The name of a file in a further precision.

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
    """Returns whether `python -m label_image --graph` can use an export of this kind, as run.json names it."""
    return any(row.kind == kind and row.runner for row in EXPORT_FORMATS)
