"""Figures of a record in, inline SVG out: drawn by pygal, without colours, fonts or scripts of its own.

What is drawn keeps pygal's classes (`series serie-0`, `axis`, `guide`), and the page's style colours them, so that they
follow the page into the dark. A description stands beside each chart, and its numbers in a table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from markupsafe import Markup

from retrain.report.drawing import elements, new_chart, whole
from retrain.report.figures import printable

MOST_BARS = 40  # classes in a bar chart; with more of them the table alone is shown
_LONGEST_LABEL = 24  # letters beside a bar
Points = Sequence[tuple[float, float]]


def percent(share: float) -> str:
    """A share on an axis.

    >>> percent(0.25)
    '25 %'
    """
    return f"{share * 100:.0f} %"


def training_chart(curve: Mapping[str, Any], what: str, kept_step: int | None) -> Markup:
    """Training and validation over the steps, with the kept step as a line upright; what: "accuracy" or "loss".

    The loss has one more line where it is known: that of all photos which judge the steps, on which the choice was made.
    """
    lines = {
        name: _points(curve["steps"], curve[f"{key}_{what}"])
        for name, key in (("training", "train"), ("validation", "validation"))
    }
    judged = _points(curve["steps"], curve["judged_loss"]) if what == "loss" and judges(curve) else []
    heights = [height for points in lines.values() for _, height in points] + [up for _, up in judged] or [0.0, 1.0]
    chart = new_chart("XY", x_title="step", y_title=what, show_dots=False)
    if what == "accuracy":
        chart.y_value_formatter = chart.value_formatter = percent
    for name, points in lines.items():
        chart.add(name, points)
    if kept_step is not None and kept_step >= 0:
        chart.add("kept step", [(kept_step, min(heights)), (kept_step, max(heights))])
    elif judged:
        chart.add("kept step", [])
    if judged:
        chart.add("all validation photos", judged)
    return _svg(chart)


def judges(curve: Mapping[str, Any]) -> bool:
    """Whether the losses on which the kept step was chosen are known, and others than the validation line's."""
    losses = curve.get("judged_loss") or ()
    return len(losses) == len(curve["steps"]) and any(
        judged is not None and (drawn is None or not math.isclose(judged, drawn, rel_tol=1e-5))
        for judged, drawn in zip(losses, curve["validation_loss"], strict=True)
    )


def reliability_chart(bins: Sequence[Mapping[str, Any]]) -> Markup:
    """How often a score of so much was right, beside the line on which it is right as often as it says."""
    chart = new_chart("XY", x_title="score", y_title="right", range=(0, 1), xrange=(0, 1), dots_size=4)
    chart.value_formatter = chart.x_value_formatter = percent
    chart.x_labels = chart.y_labels = [0, 0.2, 0.4, 0.6, 0.8, 1]
    chart.add("as often as it says", [(0, 0), (1, 1)], show_dots=False)
    chart.add("this classifier", [(one["confidence"], one["accuracy"]) for one in bins if one["photos"]])
    return _svg(chart)


def balance_chart(counts: Mapping[str, Mapping[str, int]], lists: Iterable[str]) -> Markup:
    """Photos of each class, a bar a class, in pieces for the lists."""
    chart = new_chart("HorizontalStackedBar", x_title="photos", height=90 + 26 * len(counts))
    classes = list(counts)[::-1]  # from below
    shown = [printable(label) for label in classes]
    chart.x_labels = [label if len(label) <= _LONGEST_LABEL else f"{label[:_LONGEST_LABEL]}…" for label in shown]
    chart.value_formatter = whole
    for name in lists:
        chart.add(name, [counts[label].get(name, 0) for label in classes])
    return _svg(chart)


def learning_chart(points: Sequence[Mapping[str, Any]]) -> Markup:
    """Accuracy over the number of photos trained on."""
    chart = new_chart("XY", x_title="photos trained on", y_title="accuracy", dots_size=4)
    chart.value_formatter = percent
    chart.x_value_formatter = whole
    chart.add("accuracy", _points([point["photos"] for point in points], [point["accuracy"] for point in points]))
    return _svg(chart)


def _points(x: Iterable[float], y: Iterable[float | None]) -> list[tuple[float, float]]:
    return [(across, up) for across, up in zip(x, y, strict=True) if up is not None]


def _svg(chart: Any) -> Markup:
    """The chart as elements of a page."""
    return Markup(ET.tostring(elements(chart), "unicode"))  # noqa: S704 - the library has escaped every word
