"""Writes the report page of a run as one HTML file that needs no network and no other file."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import ChainableUndefined, Environment, FileSystemLoader

from label_image.errors import UserError
from retrain.files.atomic import replacing
from retrain.report import charts, commands
from retrain.report.explain import heat_maps
from retrain.report.figures import Figures, printable, short
from retrain.report.first_layer import kernels_of_tflite, kernels_picture
from retrain.report.photos import Album
from retrain.runs.make_record import MOST_MISTAKES, metrics_of
from retrain.types import LISTS, Head

HERE = Path(__file__).parent
MOST_IN_A_CELL = 200  # most photos that a cell of the confusion matrix shows
MOST_CLASSES = 40  # most classes in a confusion matrix; with more, the confused pairs are listed
MOST_PAIRS = 200  # most confused pairs that are listed
MOST_LINES = 200  # most files that are listed for one reason
MOST_SUSPECTS = 60  # most likely label errors, and most pairs of near-duplicates, that are shown
FEW_PHOTOS = 10  # a precision or recall computed from fewer photos is marked
_POINTS_IN_A_TABLE = 20  # rows, about, in the table of the training curve
_BEST_SCORES = 3  # scores shown for a mistake, besides that of the right label


def write_page(path: Path, record: Mapping[str, Any], head: Head | None) -> Path:
    """Writes the page; see `retrain.report.write_report`."""
    text = page(record, head, path.parent)
    with replacing(path) as scratch:
        scratch.write_text(text, "utf-8")
    return path


def page(record: Mapping[str, Any], head: Head | None, folder: Path) -> str:
    """Returns the text of the page; `folder` is the folder of the run."""
    record = with_metrics(record)
    album = Album()
    tests = record.get("test_photos", [])
    wrong = [at for at, photo in enumerate(tests) if photo["label"] != photo["predicted"]]
    wrong.sort(key=lambda at: -tests[at]["score"])
    notes: list[str] = []
    mistakes = [_mistake(tests[at], at, record["labels"], album) for at in wrong[:MOST_MISTAKES]]
    _add_heat_maps(record, head, mistakes, album, notes)
    audit = _audit(record.get("audit") or {}, album)
    cells = _cells(record, album)
    pictures, lost = album.develop()
    if lost:
        notes.append(f"{lost} photos were moved, deleted or changed after the run and are not shown.")
    if album.refused:
        notes.append(f"{album.refused} photos are left out to keep this page small.")
    script, style = (HERE / "script.js").read_text("utf-8"), (HERE / "style.css").read_text("utf-8")
    return (
        _environment()
        .get_template("template.html")
        .render(
            record=record,
            figure=Figures(record),
            title=commands.title(record),
            advice=[*_failure(record), *(record.get("audit") or {}).get("advice", [])],
            notes=notes,
            mistakes=mistakes,
            audit=audit,
            cells=cells,
            pairs=_pairs(record),
            most_classes=MOST_CLASSES,
            most_in_a_cell=MOST_IN_A_CELL,
            loss_on_all=bool(record.get("curve")) and charts.has_loss_on_all(record["curve"]),
            few_photos=FEW_PHOTOS,
            few=_has_few(record),
            curve_rows=_curve_rows(record.get("curve"), record.get("kept_step")),
            skipped=_skipped(record.get("skipped", [])),
            lists=LISTS,
            charts=_charts(record),
            kernels=_kernels(record.get("backbone") or {}),
            repeat=commands.repeat(record),
            again=commands.again(folder),
            label=commands.label(record),
            data={"pictures": pictures, "cells": cells},
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
            style=style,
        )
    )


def _failure(record: Mapping[str, Any]) -> list[str]:
    """Returns a line about the failure of a failed run, else none."""
    failed = record.get("failed")
    return [f"This run failed, so its classifier is not in use ({failed['stage']}): {failed['what']}"] if failed else []


def with_metrics(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the record; for a record of an older version, metrics are computed from its test photos and added."""
    full = dict(record)
    labels, tests = tuple(record.get("labels", ())), record.get("test_photos", [])
    classes = (full.get("metrics") or {}).get("per_class") or [{}]
    if tests and "given" not in classes[0]:
        number = {label: place for place, label in enumerate(labels)}
        full["metrics"] = metrics_of(
            np.array([number[photo["label"]] for photo in tests], np.int64),
            np.array([number[photo["predicted"]] for photo in tests], np.int64),
            np.array([photo["score"] for photo in tests], np.float32),
            labels,
        )
    return full


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=printable,
    )
    environment.filters["short"] = short
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment


def _mistake(photo: Mapping[str, Any], at: int, labels: Sequence[str], album: Album) -> dict[str, Any]:
    """Returns one mistake as the template needs it; `at` is its index among the test photos of the record."""
    scores = photo.get("scores", [])
    order = sorted(range(len(scores)), key=lambda k: -scores[k])
    best = [k for place, k in enumerate(order) if place < _BEST_SCORES or labels[k] == photo["label"]]
    return {
        **photo,
        "at": at,
        "picture": album.add(photo["path"], photo.get("sha256", "")),
        "best": best,
        "maps": (),
        "neighbours": [
            {**near, "picture": album.add(near["path"], near.get("sha256", ""))} for near in photo.get("nearest", [])
        ],
    }


def _add_heat_maps(
    record: Mapping[str, Any], head: Head | None, mistakes: list[dict[str, Any]], album: Album, notes: list[str]
) -> None:
    if not mistakes:
        return
    if head is None:
        notes.append("There are no heat maps: the trained layer was deleted or changed after the run.")
    elif "graph" not in record.get("backbone", {}):
        notes.append("There are no heat maps: the record was written by an earlier version.")
    else:
        try:
            for mistake, pair in zip(mistakes, heat_maps(record["backbone"], head, mistakes), strict=True):
                mistake["maps"] = tuple(map(album.put, pair)) if pair else ()
        except UserError as error:  # includes NoExactMap
            notes.append(f"There are no heat maps: {error}.")


def _cells(record: Mapping[str, Any], album: Album) -> dict[str, list[tuple[int, str, float]]]:
    """Returns the photos of each cell of the confusion matrix, by "row,column": picture, name and score.

    Mistakes are sorted by falling score, correct predictions by rising score.
    """
    number = {label: place for place, label in enumerate(record.get("labels", []))}
    cells: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for photo in record.get("test_photos", []):
        cells.setdefault((number[photo["label"]], number[photo["predicted"]]), []).append(photo)
    shown = {}
    for row, column in sorted(
        cells, key=lambda cell: cell[0] == cell[1]
    ):  # mistakes first, because the number of pictures is limited
        sign = 1 if row == column else -1
        photos = sorted(cells[row, column], key=lambda photo: sign * photo["score"])[:MOST_IN_A_CELL]
        shown[f"{row},{column}"] = [
            (album.add(photo["path"], photo.get("sha256", "")), printable(short(photo["path"])), photo["score"])
            for photo in photos
        ]
    return shown


def _pairs(record: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Returns (true class, predicted class) of all confused pairs, most frequent first."""
    table = np.array(record.get("metrics", {}).get("confusion", []))
    if not table.size:
        return []
    wrong = table * (1 - np.eye(len(table), dtype=table.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]
    rows, columns = np.unravel_index(order, table.shape)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if wrong[row, column]]


def _has_few(record: Mapping[str, Any]) -> bool:
    """Whether the precision or recall of some class was computed from few photos."""
    classes = record.get("metrics", {}).get("per_class", [])
    return any(0 < one.get(key, FEW_PHOTOS) < FEW_PHOTOS for one in classes for key in ("given", "support"))


def _curve_rows(curve: Mapping[str, Any] | None, kept_step: int | None) -> list[int]:
    """Returns which evaluations the table shows: some, evenly spaced, the kept one and the last."""
    steps = list(curve["steps"]) if curve else []
    every = max(1, -(-len(steps) // _POINTS_IN_A_TABLE))
    return [at for at, step in enumerate(steps) if at % every == 0 or step == kept_step or at == len(steps) - 1]


def _charts(record: Mapping[str, Any]) -> dict[str, Any]:
    """Draws each chart for which the record has data."""
    drawn: dict[str, Any] = {}
    curve = record.get("curve")
    if curve and len(curve["steps"]) > 1:
        for what in ("accuracy", "loss"):
            drawn[what] = charts.training_chart(curve, what, record.get("kept_step"))
    bins = record.get("metrics", {}).get("reliability", [])
    if any(one["photos"] for one in bins):
        drawn["reliability"] = charts.reliability_chart(bins)
    counts = record.get("counts", {})
    if 0 < len(counts) <= charts.MOST_BARS:
        drawn["balance"] = charts.balance_chart(counts, LISTS)
    points = (record.get("audit") or {}).get("learning_curve") or []
    if len(points) > 1:
        drawn["learning"] = charts.learning_chart(points)
    return drawn


def _kernels(backbone: Mapping[str, Any]) -> tuple[str, int] | None:
    """Draws the first layer of a network that was trained here; returns its data URL and the number of kernels."""
    graph = Path(backbone.get("graph", ""))
    if not str(backbone.get("source", "")).startswith("trained") or graph.suffix != ".tflite" or not graph.exists():
        return None
    kernels = kernels_of_tflite(graph)
    if kernels is None:
        return None
    picture = base64.b64encode(kernels_picture(kernels)).decode("ascii")
    return f"data:image/png;base64,{picture}", kernels.shape[3]


def _audit(audit: Mapping[str, Any], album: Album) -> dict[str, Any]:
    """Returns the audit of the record with pictures for the template."""
    suspects, duplicates = audit.get("suspects") or [], audit.get("duplicates") or []
    return {
        **audit,
        "suspects": [{**one, "picture": album.add(one["path"])} for one in suspects[:MOST_SUSPECTS]],
        "duplicates": [
            {**one, "pictures": (album.add(one["first"]), album.add(one["second"]))}
            for one in duplicates[:MOST_SUSPECTS]
        ],
        "more_suspects": max(0, len(suspects) - MOST_SUSPECTS),
        "more_duplicates": max(0, len(duplicates) - MOST_SUSPECTS),
    }


def _skipped(skipped: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Groups the unused files by reason, most frequent first: the number of files, and the first of them."""
    counts = Counter(one["reason"] for one in skipped)
    return [
        {
            "reason": reason,
            "count": count,
            "files": [one for one in skipped if one["reason"] == reason][:MOST_LINES],
        }
        for reason, count in counts.most_common()
    ]
