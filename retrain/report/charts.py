"""Draws the charts of the report page as inline SVG with pygal, without colours, fonts or scripts in the SVG.

The elements keep pygal's classes (`series serie-0`, `axis`, `guide`). The style sheet of the page colours them, so that
the charts change with the page to dark mode. The template adds a description and a table of the figures to each chart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from markupsafe import Markup

from retrain.report.drawing import elements, new_chart, with_commas
from retrain.report.figures import printable

MOST_BARS = 40  # most classes in a bar chart; with more, only the table is shown
_LONGEST_LABEL = 24  # most characters of a label beside a bar
Points = Sequence[tuple[float, float]]


def percent(share: float) -> str:
    """Formats a fraction as a percentage for an axis.

    >>> percent(0.25)
    '25 %'
    """
    return f"{share * 100:.0f} %"


def training_chart(curve: Mapping[str, Any], what: str, kept_step: int | None) -> Markup:
    """Draws training and validation accuracy or loss over the steps, with a vertical line at the kept step.

    `what` is "accuracy" or "loss". If the loss on all validation photos is known, on which the kept step was chosen, the
    chart of the loss has a line for it too.
    """
    lines = {
        name: _points(curve["steps"], curve[f"{key}_{what}"])
        for name, key in (("training", "train"), ("validation", "validation"))
    }
    on_all = _points(curve["steps"], curve["judged_loss"]) if what == "loss" and has_loss_on_all(curve) else []
    heights = [height for points in lines.values() for _, height in points] + [up for _, up in on_all] or [0.0, 1.0]
    chart = new_chart("XY", x_title="step", y_title=what, show_dots=False)
    if what == "accuracy":
        chart.y_value_formatter = chart.value_formatter = percent
    for name, points in lines.items():
        chart.add(name, points)
    if kept_step is not None and kept_step >= 0:
        chart.add("kept step", [(kept_step, min(heights)), (kept_step, max(heights))])
    elif on_all:
        chart.add("kept step", [])
    if on_all:
        chart.add("all validation photos", on_all)
    return _svg(chart)


def has_loss_on_all(curve: Mapping[str, Any]) -> bool:
    """Whether the losses on all validation photos are known and differ from those of the validation line."""
    losses = curve.get("judged_loss") or ()
    return len(losses) == len(curve["steps"]) and any(
        on_all is not None and (drawn is None or not math.isclose(on_all, drawn, rel_tol=1e-5))
        for on_all, drawn in zip(losses, curve["validation_loss"], strict=True)
    )


def reliability_chart(bins: Sequence[Mapping[str, Any]]) -> Markup:
    """Draws a reliability diagram: the accuracy for each range of scores, beside the line of perfect calibration."""
    chart = new_chart("XY", x_title="score", y_title="accuracy", range=(0, 1), xrange=(0, 1), dots_size=4)
    chart.value_formatter = chart.x_value_formatter = percent
    chart.x_labels = chart.y_labels = [0, 0.2, 0.4, 0.6, 0.8, 1]
    chart.add("perfect calibration", [(0, 0), (1, 1)], show_dots=False)
    chart.add("this classifier", [(one["confidence"], one["accuracy"]) for one in bins if one["photos"]])
    return _svg(chart)


def balance_chart(counts: Mapping[str, Mapping[str, int]], lists: Iterable[str]) -> Markup:
    """Draws the number of photos of each class as a bar, stacked by subset."""
    chart = new_chart("HorizontalStackedBar", x_title="photos", height=90 + 26 * len(counts))
    classes = list(counts)[::-1]  # pygal draws the first bar at the bottom
    shown = [printable(label) for label in classes]
    chart.x_labels = [label if len(label) <= _LONGEST_LABEL else f"{label[:_LONGEST_LABEL]}…" for label in shown]
    chart.value_formatter = with_commas
    for name in lists:
        chart.add(name, [counts[label].get(name, 0) for label in classes])
    return _svg(chart)


def learning_chart(points: Sequence[Mapping[str, Any]]) -> Markup:
    """Draws accuracy over the number of training photos."""
    chart = new_chart("XY", x_title="training photos", y_title="accuracy", dots_size=4)
    chart.value_formatter = percent
    chart.x_value_formatter = with_commas
    chart.add("accuracy", _points([point["photos"] for point in points], [point["accuracy"] for point in points]))
    return _svg(chart)


def _points(x: Iterable[float], y: Iterable[float | None]) -> list[tuple[float, float]]:
    return [(across, up) for across, up in zip(x, y, strict=True) if up is not None]


def _svg(chart: Any) -> Markup:
    """Returns the chart as SVG markup."""
    return Markup(ET.tostring(elements(chart), "unicode"))  # noqa: S704 - the library has escaped all text
