"""Measures extraction with the int8 variant of a backbone beside the float32 one."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench, photos_in, silent
from benchmarks.machine import has_int8_dot_products
from benchmarks.row import Row, rates
from benchmarks.rows.extraction import NETWORKS, SMALLEST, ours
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.quantize import quantized


def rows(bench: Bench) -> Iterator[Row]:
    """Returns one row for each network."""
    folder = bench.photo_folder(2)
    photos = photos_in(folder)
    note = "" if has_int8_dot_products() else "this processor has no int8 dot products (VNNI, asimddp)"
    for name in NETWORKS if bench.full else (SMALLEST,):
        backbone = bench.backbone(name)
        twin = quantized(backbone, "int8", photos, ModelFolder.of(bench.options(folder, name).network, silent), silent)
        works = {"int8": ours(bench, twin, photos), "float32": ours(bench, backbone, photos)}
        rate = {work: rates(len(photos), times) for work, times in bench.turns(works).items()}
        yield Row(f"features, {name} in int8", "images/s", rate["int8"], "float32", rate["float32"], 1.7, note=note)
