"""The options of the exports: which formats, in which precision, where they go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from label_image.errors import UserError
from label_image.flags import check, flag
from retrain.exporters.table import EXPORT_FORMATS, QUANTIZATIONS

FORMATS = tuple(row.name for row in EXPORT_FORMATS)  # what --export knows
_FLAGS = [f"--{row.flag}" for row in EXPORT_FORMATS]
Cls = TypeVar("Cls")


def with_places(after: str) -> Callable[[type[Cls]], type[Cls]]:
    """Adds the flag of each export format to a class that becomes a data class of flags, behind the field named."""

    def added(cls: type[Cls]) -> type[Cls]:
        own, places = dict(cls.__annotations__), {row.flag: "str" for row in EXPORT_FORMATS}
        for row in EXPORT_FORMATS:
            setattr(cls, row.flag, flag(row.place if row.by_default else "", row.help))
        at = list(own).index(after) + 1
        cls.__annotations__ = dict([*list(own.items())[:at], *places.items(), *list(own.items())[at:]])
        return cls

    return added


@dataclass(frozen=True)
@with_places(after="max_quantization_loss")
class ExportOptions:
    """Which files the classifier is exported to, and how their numbers are stored.

    The fields that say where each format goes are made from the rows of `EXPORT_FORMATS`.
    """

    title: ClassVar[str] = "Exports"

    export: str = flag(
        ",".join(row.name for row in EXPORT_FORMATS if row.by_default),
        f"Formats that are written, of {', '.join(FORMATS)}; {', '.join(_FLAGS[:-1])} and {_FLAGS[-1]} say where.",
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
    output_labels: str = flag("tf_files/retrained_labels.txt", "Where its labels go, one a line.")
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
