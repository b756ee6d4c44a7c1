"""The options of the exports: which formats, in which precision, where they go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from label_image.errors import UserError
from label_image.flags import check, flag

FORMATS = ("tflite", "pb", "saved_model", "onnx", "device_folder")  # what --export knows
QUANTIZATIONS = ("none", "float16", "dynamic", "int8")  # what --quantize knows
SAVED_MODEL_DIR, DEVICE_FOLDER, ONNX = "tf_files/retrained_saved_model", "tf_files/device", "tf_files/retrained.onnx"


@dataclass(frozen=True)
class ExportOptions:
    """Which files the classifier is exported to, and how their numbers are stored."""

    title: ClassVar[str] = "Exports"

    export: str = flag(
        "tflite,pb",
        "Formats that are written, of tflite, pb, saved_model, onnx, device_folder; --output_tflite, --output_graph, --saved_model_dir, --output_onnx and --device_folder say where.",
    )
    quantize: str = flag(
        "none",
        "How the .tflite holds its numbers, of none, float16, dynamic (int8 weights), int8; the first goes to --output_tflite, each further one beside it, named after it. For int8 a layer of its own is trained.",
    )
    max_quantization_loss: float = flag(
        2.0,
        "Most points of accuracy that a quantized .tflite may lose; beyond that the run fails.",
        minimum=0,
        maximum=100,
    )
    output_tflite: str = flag(
        "tf_files/retrained.tflite", "Where the classifier goes as a .tflite; an empty value writes none."
    )
    output_graph: str = flag(
        "tf_files/retrained_graph.pb", "Where it goes as a frozen graph; an empty value writes none."
    )
    output_labels: str = flag("tf_files/retrained_labels.txt", "Where its labels go, one a line.")
    saved_model_dir: str = flag(
        "", f"Where it goes as a SavedModel; left out, none is written, or with --export {SAVED_MODEL_DIR}."
    )
    output_onnx: str = flag("", f"Where it goes as ONNX; left out, none is written, or with --export {ONNX}.")
    device_folder: str = flag(
        "",
        f"Where it goes as a folder that runs by itself on a small device (model, labels, run.py, a self-test); left out, none is written, or with --export {DEVICE_FOLDER}.",
    )
    final_tensor_name: str = flag("final_result", "Name of the scores in the exports.")
    checkpoint_path: str = flag(
        "tf_files/retrain_checkpoint",
        "Name of the trained layer's file (weights, biases, labels as plain arrays), .npz is added where it is not there; an empty value writes none.",
    )
    intermediate_output_graphs_dir: str = flag(
        "tf_files/intermediate_graph/", "Beginning of the intermediate graphs' names; keep the final slash."
    )
    intermediate_store_frequency: int = flag(
        0, "Write an intermediate graph every so many steps; 0 is never.", minimum=0
    )

    def __post_init__(self) -> None:
        """Checks the bounds of each field.

        Raises:
          UserError: naming the flag.
        """
        check(self)
        if not self.output_labels:
            raise UserError("--output_labels is empty; name a file")
        _known("export", self.formats, FORMATS)
        _known("quantize", self.quantizations, QUANTIZATIONS)

    @property
    def formats(self) -> tuple[str, ...]:
        """What --export lists."""
        return _listed(self.export)

    @property
    def quantizations(self) -> tuple[str, ...]:
        """What --quantize lists."""
        return _listed(self.quantize)

    @property
    def checkpoint_stem(self) -> str:
        """--checkpoint_path without the ending that its files get."""
        return self.checkpoint_path[:-4] if self.checkpoint_path.lower().endswith(".npz") else self.checkpoint_path


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))


def _known(name: str, words: tuple[str, ...], choices: tuple[str, ...]) -> None:
    unknown = [word for word in words if word not in choices]
    if unknown:
        raise UserError(f"unknown --{name}={unknown[0]}; choose of {', '.join(choices)}, several with commas")
    if not words:
        raise UserError(f"--{name} is empty; choose of {', '.join(choices)}, several with commas")
