"""Findings in, one picture out: validation accuracy by step, its mean where seeds were swept, and where the seconds went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from label_image.errors import RunError
from retrain.compare.findings import Findings
from retrain.compare.records import Run
from retrain.compare.table import SHOWN_S

# Okabe and Ito's colours, which the colour-blind can tell apart.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")


def write(found: Findings, path: Path) -> None:
    """Draws an SVG.

    Raises:
      RunError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError:
        raise RunError(
            "no picture: it needs matplotlib, which is not installed (pip install 'matplotlib>=3.8,<4')"
        ) from None
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "retrain.compare", "font.size": 9}):
        figure = Figure(figsize=(10, max(3.2, 1.5 + 0.3 * len(found.groups))), layout="constrained")
        FigureCanvasSVG(figure)
        left, right = figure.subplots(1, 2)
        for number, (name, places) in enumerate(found.groups.items()):
            steps, shares = _curve([found.runs[place] for place in places])
            left.plot(steps, shares, color=_COLOURS[number % len(_COLOURS)], label=name, linewidth=1.2)
        left.set(xscale="log", xlabel="steps done", ylabel="validation accuracy, %", title="While training")
        left.grid(alpha=0.3)
        left.legend(frameon=False)
        _bars(found, right)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _curve(runs: Sequence[Run]) -> tuple[list[int], list[float]]:
    """(steps done, validation accuracy in percent), the mean of runs at the steps that all of them evaluated."""
    curves = [dict(zip(run.steps, run.validation_accuracy, strict=True)) for run in runs]
    steps = [step for step in curves[0] if all(step in curve for curve in curves)]
    # A step is shown as the number of steps done, as there is no logarithm of 0.
    return [step + 1 for step in steps], [100 * mean(curve[step] for curve in curves) for step in steps]


def _bars(found: Findings, axes: Any) -> None:
    """Seconds of each run, the first of each group, a piece a phase, the first on top."""
    names = list(found.groups)
    runs = [found.runs[places[0]] for places in found.groups.values()]
    starts = [0.0] * len(names)
    seen = dict.fromkeys(phase for run in runs for phase in run.seconds)
    phases = [phase for phase in seen if any(run.seconds.get(phase, 0.0) >= SHOWN_S for run in runs)]
    for place, phase in enumerate(phases):
        lengths = [run.seconds.get(phase, 0.0) for run in runs]
        axes.barh(names, lengths, left=starts, color=_COLOURS[place % len(_COLOURS)], label=phase)
        starts = [start + length for start, length in zip(starts, lengths, strict=True)]
    axes.invert_yaxis()
    axes.set(xlabel="seconds", title="Where the time went")
    axes.figure.legend(*axes.get_legend_handles_labels(), frameon=False, ncols=len(phases), loc="outside lower right")
