"""Draws a comparison as one SVG: validation accuracy by step, averaged over seeds, and the time of each phase."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from xml.etree import ElementTree as ET

from retrain.compare.findings import ComparisonResult
from retrain.compare.records import ComparedRun
from retrain.compare.table import SHOWN_S
from retrain.report.drawing import elements, new_chart, with_commas
from retrain.report.figures import printable

# The colours of Okabe and Ito, which colour-blind readers can distinguish. Lines 9 to 16 are dashed, 17 to 24 dotted.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#F0E442")
_DASHES = ("none", "7 4", "2 3")
_HALF_PX, _MARGIN_PX, _GAP_PX = 520, 16, 24  # width of a chart, margin around it, gap between the charts
_ROW_PX, _FONT_PX = 21, 13  # height of a row of the legend, and of its text
_LEAST_PX, _BAR_PX = 320, 28  # least height of a chart; height of a bar with its gap
_LONGEST_LABEL, _LONGEST_NAME = 24, 60  # most characters beside a bar, and in the legend
_STYLE = f"""
text {{ font: {_FONT_PX}px system-ui, sans-serif; fill: #222; }}
.heading {{ font-size: 16px; font-weight: 600; }}
.plot {{ overflow: visible; }}
.plot text {{ text-anchor: middle; }}
.plot .axis.y text {{ text-anchor: end; }}
.plot .background, .background {{ fill: #fff; }}
.plot .axis path {{ stroke: #ccc; fill: none; }}
.bars .axis.y .guide {{ stroke: none; }}
.plot .series text {{ display: none; }}
.lines .series path {{ fill: none; stroke-width: 1.8; }}
.bars .series rect {{ stroke: #fff; stroke-width: 0.5; }}
"""


def write(found: ComparisonResult, path: Path) -> None:
    """Writes the SVG."""
    names = [_short(name, _LONGEST_NAME) for name in found.groups]
    phases = _phases(found)
    height = max(_LEAST_PX, 90 + _BAR_PX * len(names))
    right = _MARGIN_PX + _HALF_PX + _GAP_PX
    below = 52 + height
    width, whole_height = right + _HALF_PX + _MARGIN_PX, below + _ROW_PX * max(len(names), len(phases)) + _MARGIN_PX
    root = ET.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {whole_height}", role="img")
    root.set("width", str(width))
    root.set("height", str(whole_height))
    ET.SubElement(root, "title").text = "Validation accuracy by step, and seconds by phase"
    ET.SubElement(root, "style").text = _STYLE + _series_style(max(len(names), len(phases)))
    ET.SubElement(root, "rect", {"class": "background", "width": "100%", "height": "100%"})
    for x, heading in ((_MARGIN_PX, _accuracy_heading(found)), (right, _time_heading(found))):
        ET.SubElement(root, "text", {"class": "heading", "x": str(x), "y": "30"}).text = heading
    root.append(_placed(_lines(found, height), "lines", _MARGIN_PX))
    root.append(_placed(_bars(found, phases, height), "bars", right))
    root.extend(_legend(names, _MARGIN_PX, below, lines=True))
    root.extend(_legend(phases, right, below, lines=False))
    path.write_text(ET.tostring(root, "unicode") + "\n", "utf-8")


def _accuracy_heading(found: ComparisonResult) -> str:
    runs = max((len(places) for places in found.groups.values()), default=1)
    return f"Accuracy during training{f', mean of {runs} runs each' if runs > 1 else ''}"


def _time_heading(found: ComparisonResult) -> str:
    first = any(len(places) > 1 for places in found.groups.values())
    return f"Time of each phase{', first run of each' if first else ''}"


def _lines(found: ComparisonResult, height: int) -> ET.Element:
    """Draws validation accuracy over the steps, on a logarithmic axis because it changes most in the first hundred steps."""
    curves = {name: _curve([found.runs[place] for place in places]) for name, places in found.groups.items()}
    logarithms = [math.log10(step) for steps, _ in curves.values() for step in steps] or [0.0]
    ticks = [math.log10(step) for step in _ticks(10 ** min(logarithms), 10 ** max(logarithms))]
    chart = new_chart(
        "XY",
        _FONT_PX,
        width=_HALF_PX,
        height=height,
        x_title="training steps (logarithmic)",
        y_title="validation accuracy, %",
        x_labels=ticks,
        x_value_formatter=lambda power: with_commas(10**power),
        value_formatter=lambda percent: f"{percent:g}",
        xrange=(ticks[0], ticks[-1]),
        dots_size=3,
    )
    for name, (steps, percents) in curves.items():
        points = [(math.log10(step), percent) for step, percent in zip(steps, percents, strict=True)]
        chart.add(name, points, show_dots=len(points) < 2)  # a line of one point would be invisible
    return elements(chart)


def _curve(runs: Sequence[ComparedRun]) -> tuple[list[int], list[float]]:
    """Returns (steps, validation accuracy in percent), the mean of the runs at the steps that all of them evaluated."""
    curves = [dict(zip(run.steps, run.validation_accuracy, strict=True)) for run in runs]
    steps = [step for step in curves[0] if all(not math.isnan(curve.get(step, math.nan)) for curve in curves)]
    # Steps are counted from 1, because 0 has no logarithm.
    return [step + 1 for step in steps], [100 * mean(curve[step] for curve in curves) for step in steps]


def _ticks(least: float, most: float) -> list[int]:
    """Returns the marks of the axis: powers of ten, and their multiples by two and five in a small range.

    >>> _ticks(1, 4000), _ticks(10, 40)
    ([1, 10, 100, 1000, 5000], [10, 20, 50])
    """
    numbers = [factor * 10**power for power in range(math.ceil(math.log10(most)) + 1) for factor in (1, 2, 5)]
    first = max((number for number in numbers if number <= least * 1.0001), default=1)
    last = next(number for number in [*numbers, 10 * numbers[-1]] if number >= most * 0.9999 and number > first)
    inner = [number for number in numbers if first < number < last]
    if last / first > 100:
        inner = [number for number in inner if str(number).startswith("1") and last / number >= 2]
    return [first, *inner, last]


def _phases(found: ComparisonResult) -> list[str]:
    """Returns the phases that took long enough to be shown, in the order in which they ran."""
    runs = _firsts(found)
    seen = dict.fromkeys(phase for run in runs for phase in run.seconds)
    return [phase for phase in seen if any(run.seconds.get(phase, 0.0) >= SHOWN_S for run in runs)]


def _firsts(found: ComparisonResult) -> list[ComparedRun]:
    return [found.runs[places[0]] for places in found.groups.values()]


def _bars(found: ComparisonResult, phases: Sequence[str], height: int) -> ET.Element:
    """Draws the time of the first run of each group as a bar, stacked by phase, the first group at the top."""
    chart = new_chart(
        "HorizontalStackedBar",
        _FONT_PX,
        width=_HALF_PX,
        height=height,
        x_title="seconds",
        x_labels=[_short(name, _LONGEST_LABEL) for name in found.groups][
            ::-1
        ],  # pygal draws the first bar at the bottom
        value_formatter=lambda seconds: f"{seconds:g}",
    )
    for phase in phases:
        chart.add(phase, [run.seconds.get(phase, 0.0) for run in _firsts(found)][::-1])
    return elements(chart)


def _placed(chart: ET.Element, kind: str, x: int) -> ET.Element:
    """Positions a chart in the picture."""
    chart.set("class", f"plot {kind}")
    for name, value in (
        ("x", x),
        ("y", 44),
        ("width", chart.get("viewBox", "").split()[2]),
        ("height", chart.get("viewBox", "").split()[3]),
    ):
        chart.set(name, str(value))
    return chart


def _legend(names: Sequence[str], x: int, y: int, *, lines: bool) -> list[ET.Element]:
    """Draws the legend: for each series a row with its line or colour, and its name."""
    made = []
    for number, name in enumerate(names):
        middle = y + _ROW_PX * number + _ROW_PX // 2
        group = ET.Element("g", {"class": f"serie-{number}"})
        if lines:
            ET.SubElement(group, "path", {"d": f"M{x} {middle}h30", "stroke-width": "2.4"})
        else:
            ET.SubElement(group, "rect", {"x": str(x), "y": str(middle - 6), "width": "30", "height": "12"})
        text = ET.Element("text", {"x": str(x + 40), "y": str(middle + 5)})
        text.text = name
        made += [group, text]
    return made


def _series_style(count: int) -> str:
    rules = []
    for number in range(count):
        colour, dashes = _COLOURS[number % len(_COLOURS)], _DASHES[number // len(_COLOURS) % len(_DASHES)]
        rules.append(f".serie-{number} path {{ stroke: {colour}; stroke-dasharray: {dashes}; }}")
        rules.append(f".serie-{number} rect, .serie-{number} circle {{ fill: {colour}; }}")
    return "\n".join(rules) + "\n"


def _short(name: str, most: int) -> str:
    """Returns a name that an XML file can contain, shortened if it is too long."""
    shown = str(printable(name))
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
