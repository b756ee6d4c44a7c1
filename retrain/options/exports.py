"""Defines the options of the exports: their formats, precisions and paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from label_image.errors import UserError
from label_image.flags import check
from retrain.exporters.table import EXPORT_FORMATS, QUANTIZATIONS
from retrain.options.option import ALWAYS, STEPS, option

FORMATS = tuple(row.name for row in EXPORT_FORMATS)  # the values of --export
_FLAGS = [f"--{row.flag}" for row in EXPORT_FORMATS]
Cls = TypeVar("Cls")


def with_places(after: str) -> Callable[[type[Cls]], type[Cls]]:
    """Adds a flag for each export format to a class of flags, after the named field."""

    def added(cls: type[Cls]) -> type[Cls]:
        own, places = dict(cls.__annotations__), {row.flag: "str" for row in EXPORT_FORMATS}
        for row in EXPORT_FORMATS:
            default = row.place if row.by_default else ""
            setattr(cls, row.flag, option(default, row.help, used_by=ALWAYS, in_snapshot="no", in_compare=False))
        at = list(own).index(after) + 1
        cls.__annotations__ = dict([*list(own.items())[:at], *places.items(), *list(own.items())[at:]])
        return cls

    return added


@dataclass(frozen=True)
@with_places(after="max_quantization_loss")
class ExportOptions:
    """Which files the classifier is exported to, and in which precision.

    The fields for the path of each format are made from the rows of `EXPORT_FORMATS`.
    """

    title: ClassVar[str] = "Exports"

    export: str = option(
        ",".join(row.name for row in EXPORT_FORMATS if row.by_default),
        f"The formats to write, separated by commas: {', '.join(FORMATS)}. {', '.join(_FLAGS[:-1])} and {_FLAGS[-1]} say where.",
        used_by=ALWAYS,
        in_snapshot="no",
        in_compare=False,
        common=True,
    )
    quantize: str = option(
        "none",
        "How the .tflite stores its numbers: none (float32), float16, dynamic (int8 weights) or int8; separate several by commas. The first is written to --output_tflite, each further one beside it with its name added. For int8, another layer is trained on the features of the quantized network.",
        used_by=ALWAYS,
        in_snapshot="no",
        in_compare=False,
        common=True,
    )
    max_quantization_loss: float = option(
        2.0,
        "How many percentage points of accuracy a quantized .tflite may lose; if it loses more, the run fails.",
        used_by=ALWAYS,
        in_snapshot="no",
        minimum=0,
        maximum=100,
    )
    output_labels: str = option(
        "tf_files/retrained_labels.txt",
        "The file for the labels, one per line.",
        used_by=ALWAYS,
        in_snapshot="no",
        in_compare=False,
    )
    final_tensor_name: str = option(
        "final_result",
        "The name that the exported files give to the output with the scores.",
        used_by=ALWAYS,
        in_snapshot="no",
        in_compare=False,
    )
    checkpoint_path: str = option(
        "tf_files/retrain_checkpoint",
        "The file for the trained layer: its weights, biases and labels as plain arrays. The ending .npz is added if it is missing; an empty value writes none.",
        used_by=ALWAYS,
        in_snapshot="no",
        in_compare=False,
    )
    intermediate_output_graphs_dir: str = option(
        "tf_files/intermediate_graph/",
        "Where intermediate graphs (--intermediate_store_frequency) are written: the beginning of their file names, or a folder if it ends with a slash.",
        used_by=ALWAYS,
        in_snapshot="no",
        in_compare=False,
    )
    intermediate_store_frequency: int = option(
        0,
        "Write the classifier as a graph during training, each time after this many steps; 0 means never.",
        used_by=[STEPS],
        in_snapshot="no",
        in_compare=False,
        minimum=0,
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
        """Returns the formats in --export."""
        return _listed(self.export)

    @property
    def quantizations(self) -> tuple[str, ...]:
        """Returns the precisions in --quantize."""
        return _listed(self.quantize)

    @property
    def checkpoint_stem(self) -> str:
        """Returns --checkpoint_path without the file extension."""
        return self.checkpoint_path[:-4] if self.checkpoint_path.lower().endswith(".npz") else self.checkpoint_path


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))


def _known(name: str, words: tuple[str, ...], choices: tuple[str, ...]) -> None:
    unknown = [word for word in words if word not in choices]
    if unknown:
        raise UserError(f"unknown --{name}={unknown[0]}; choose of {', '.join(choices)}, several with commas")
    if not words:
        raise UserError(f"--{name} is empty; choose of {', '.join(choices)}, several with commas")
