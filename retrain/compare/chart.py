"""Findings in, one picture out: validation accuracy by step, and where the seconds went."""

from __future__ import annotations

from pathlib import Path

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
    colours = [_COLOURS[place % len(_COLOURS)] for place in range(len(found.runs))]
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "retrain.compare", "font.size": 9}):
        figure = Figure(figsize=(10, max(3.2, 1.5 + 0.3 * len(found.runs))), layout="constrained")
        FigureCanvasSVG(figure)
        left, right = figure.subplots(1, 2)
        for run, colour in zip(found.runs, colours, strict=True):
            steps = [step + 1 for step in run.steps]  # a logarithm of 0 there is not
            left.plot(steps, [100 * share for share in run.validation_accuracy], color=colour, label=run.name, lw=1.2)
        left.set(xscale="log", xlabel="steps done", ylabel="validation accuracy, %", title="While training")
        left.grid(alpha=0.3)
        left.legend(frameon=False)
        _bars(found, right)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _bars(found: Findings, axes: object) -> None:
    """Seconds of each run, a piece a phase, the first run on top."""
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)  # noqa: S101 - for the type checker
    names = [run.name for run in found.runs]
    starts = [0.0] * len(names)
    phases = dict.fromkeys(phase for run in found.runs for phase in run.seconds)
    for place, phase in enumerate(phases):
        lengths = [run.seconds.get(phase, 0.0) for run in found.runs]
        axes.barh(names, lengths, left=starts, color=_COLOURS[place % len(_COLOURS)], label=phase)
        starts = [start + length for start, length in zip(starts, lengths, strict=True)]
    axes.invert_yaxis()
    axes.set(xlabel="seconds", title="Where the time went")
    axes.legend(frameon=False, ncols=2)
