"""Writes the rows of the benchmarks, and a description of the machine, to results.md and results.json."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.row import Row
from retrain.files.atomic import replacing

_MARKS = {True: "yes", False: "**no**", None: ""}
_HEAD = (
    "| what | ours | spread | against | its median | ratio | spread | goal | met |",
    "|---|---|---|---|---|---|---|---|---|",
)


def write(folder: Path, about: Mapping[str, Any], groups: Mapping[str, Sequence[Row]]) -> None:
    """Writes both files.

    Args:
      folder: where to.
      about: the machine, the size, the load at both ends.
      groups: the rows of each room, by its name.
    """
    record = {**about, "rows": {name: [_record(row) for row in rows] for name, rows in groups.items()}}
    for name, text in (
        ("results.md", markdown(about, groups)),
        ("results.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n"),
    ):
        with replacing(folder / name) as scratch:
            scratch.write_text(text, "utf-8")


def markdown(about: Mapping[str, Any], groups: Mapping[str, Sequence[Row]]) -> str:
    """Returns the results as a Markdown table."""
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    about_system = (
        f"{about['processor']}, {about['cores']} cores, {about['memory_gib']} GiB, "
        f"int8 dot products: {'yes' if about['int8_dot_products'] else 'no'}; Python {about['python']}, {packages}"
    )
    goals = [row.met for rows in groups.values() for row in rows if row.met is not None]
    lines = [
        "# What `python -m benchmarks` measured",
        "",
        f"Commit {about['commit']}, size {about['size']}, {about['repeat']} turns; {about_system}.",
        f"Load (1, 5, 15 minutes) {about['load_at_start']} at the start, {about['load_at_end']} at the end.",
        "",
        "Medians; a ratio says how many times as good as the baseline, taken between runs that followed each other.",
        f"{sum(goals)} of {len(goals)} goals are met.",
    ]
    for name, rows in groups.items():
        lines += ["", f"## {name}", "", *_HEAD, *(_line(row) for row in rows)]
        lines += [""] + [f"- {row.what}: {row.note}" for row in rows if row.note]
    return "\n".join(lines).rstrip() + "\n"


def line(row: Row) -> str:
    """Returns a row as text for the screen."""
    ratio = f", {statistics.median(row.ratios):.3g} x {row.baseline}" if row.ratios else ""
    goal = f" (goal {row.goal}: {'met' if row.met else 'NOT met'})" if row.goal else ""
    return f"{row.what}: {statistics.median(row.ours):.4g} {row.unit}{ratio}{goal}"


def _line(row: Row) -> str:
    cells = [row.what, f"{_median(row.ours)} {row.unit}", _spread(row.ours), row.baseline, _median(row.theirs)]
    cells += [_median(row.ratios), _spread(row.ratios), row.goal, _MARKS[row.met]]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _median(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.4g}" if values else ""


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.3g} to {max(values):.3g}" if len(values) > 1 else ""


def _record(row: Row) -> dict[str, Any]:
    medians = {
        f"{name}_median": statistics.median(values) if values else None
        for name, values in (("ours", row.ours), ("theirs", row.theirs), ("ratio", row.ratios))
    }
    return {**dataclasses.asdict(row), **medians, "ratios": row.ratios, "goal": row.goal, "met": row.met}
