"""Determines which files are exported: an `Order` for each requested file or folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from retrain.exporters.table import EXPORT_FORMATS, ExportFormat, further_name
from retrain.types import Backbone


@dataclass(frozen=True)
class Order:
    """A requested file or folder."""

    format: ExportFormat
    path: Path  # where the user requested it
    quantize: str = "none"
    name: str = ""  # its name in the folder of the run
    kept: Path | None = (
        None  # its path in the folder of the run, where it is written first; None: written directly to `path`
    )


def orders(typed: Mapping[str, str], asked: Collection[str], quantizations: Sequence[str]) -> list[Order]:
    """Makes the orders of the formats in --export, and of the formats without a default whose flag is given.

    Args:
      typed: the value of each format's flag.
      asked: the formats in --export.
      quantizations: the precisions in --quantize.
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
    """Makes the order of one precision: the first one has the typed name; further ones get a similar name in the same folder."""
    if not at:
        return Order(row, path, quantize, row.kept)
    return Order(row, path.with_name(further_name(path.name, quantize)), quantize, further_name(row.kept, quantize))


def why_not(order: Order, backbone: Backbone) -> str:
    """Explains why an export cannot be made of a backbone; "" if it can."""
    if order.format.needs_litert and backbone.tflite is None:
        return f"LiteRT cannot run {backbone.name}"
    if not order.format.needs_litert and backbone.precision != "float32":
        return f"only LiteRT runs {backbone.name} in {backbone.precision}"
    return ""
