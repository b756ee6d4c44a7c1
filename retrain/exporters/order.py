"""Decides which files are exported: one order for each file or folder that was asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from retrain.exporters.table import EXPORT_FORMATS, ExportFormat, further_name
from retrain.types import Backbone


@dataclass(frozen=True)
class Order:
    """One file or folder that was asked for."""

    format: ExportFormat
    path: Path  # where the user wants it
    quantize: str = "none"
    name: str = ""  # in the folder of the run
    kept: Path | None = None  # that name with its folder: written there first; None writes to `path` itself


def orders(typed: Mapping[str, str], asked: Collection[str], quantizations: Sequence[str]) -> list[Order]:
    """The formats that --export lists, and those whose flag is given though it has no default.

    Args:
      typed: the value of each format's flag.
      asked: what --export lists.
      quantizations: what --quantize lists.
    """
    made = []
    for row in EXPORT_FORMATS:
        given = typed[row.flag]
        usual = "" if row.by_default else row.place
        place = (given or usual) if row.name in asked else given if usual else ""
        if place and row.quantizable:
            made += [_further(row, Path(place), quantize, at) for at, quantize in enumerate(quantizations)]
        elif place:
            made.append(Order(row, Path(place), quantizations[0] if row.needs_litert else "none", row.kept))
    return made


def _further(row: ExportFormat, path: Path, quantize: str, at: int) -> Order:
    """Returns the path for one precision: the first has the typed name, a further one has a suffix."""
    if not at:
        return Order(row, path, quantize, row.kept)
    return Order(row, path.with_name(further_name(path.name, quantize)), quantize, further_name(row.kept, quantize))


def why_not(order: Order, backbone: Backbone) -> str:
    """Returns why a backbone cannot be exported in this way; "" if it can."""
    if order.format.needs_litert and backbone.tflite is None:
        return f"LiteRT cannot run {backbone.name}"
    if not order.format.needs_litert and backbone.precision != "float32":
        return f"only LiteRT runs {backbone.name} in {backbone.precision}"
    return ""
