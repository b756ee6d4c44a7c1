"""Findings in, one picture out: validation accuracy by step, and where the seconds went."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from label_image.errors import RunError
from retrain.compare.findings import Findings

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
            for place in places:  # runs that differ by chance are thin lines of one colour
                run = found.runs[place]
                left.plot(
                    [step + 1 for step in run.steps],  # a logarithm of 0 there is not
                    [100 * share for share in run.validation_accuracy],
                    color=_COLOURS[number % len(_COLOURS)],
                    label=name if place == places[0] else None,
                    linewidth=1.2 if len(places) == 1 else 0.6,
                    alpha=1 if len(places) == 1 else 0.5,
                )
        left.set(xscale="log", xlabel="steps done", ylabel="validation accuracy, %", title="While training")
        left.grid(alpha=0.3)
        left.legend(frameon=False)
        _bars(found, right)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _bars(found: Findings, axes: Any) -> None:
    """Seconds of each run, the first of each group, a piece a phase, the first on top."""
    names = list(found.groups)
    runs = [found.runs[places[0]] for places in found.groups.values()]
    starts = [0.0] * len(names)
    phases = dict.fromkeys(phase for run in runs for phase in run.seconds)
    for place, phase in enumerate(phases):
        lengths = [run.seconds.get(phase, 0.0) for run in runs]
        axes.barh(names, lengths, left=starts, color=_COLOURS[place % len(_COLOURS)], label=phase)
        starts = [start + length for start, length in zip(starts, lengths, strict=True)]
    axes.invert_yaxis()
    axes.set(xlabel="seconds", title="Where the time went")
    axes.legend(frameon=False, ncols=2)
