"""Findings in, text out: Markdown that reads well on a terminal too."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median, stdev

from retrain.compare.findings import Findings, Pair
from retrain.compare.payoff import COUNTS, Crossing, Payoff
from retrain.compare.records import Run

_ODD = 0.05  # a p below it is called a difference
SHOWN_S = 0.005  # less is 0.00 s
_MANY = 10  # pairs; beyond, only differences are listed
Rows = Sequence[Sequence[str]]


def markdown(found: Findings) -> str:
    """The whole text."""
    parts = [_averages(found), _aligned(_runs(found)), _reading(found)]
    odd = [pair for pair in found.pairs if pair.p < _ODD]
    told = found.pairs if len(found.pairs) <= _MANY else odd
    lines = [f"- {pair.sentence}" for pair in told]
    if len(told) < len(found.pairs):
        lines.append(
            f"- {len(found.pairs) - len(odd)} of {len(found.pairs)} pairs: no difference that their photos can show"
        )
    if len(found.pairs) > 1:
        lines.append("\np is raised after Holm, as several pairs are tested at once.")
    parts += ["## Are they equally good?", "\n".join(lines)]
    if len(found.pairs) <= _MANY:
        parts += ["## How far they drift apart", "\n".join(f"- {_drift(pair)}" for pair in found.pairs)]
    if found.payoff:
        parts += ["## From how many photos on it pays off", _payoff(found.payoff)]
    whys: dict[str, list[str]] = {}
    for run in found.runs:
        whys.setdefault(run.why, []).append(run.name)
    parts += ["## What ran the network"]
    parts += ["\n".join(f"- {', '.join(names)}: {why}" if len(whys) > 1 else f"- {why}" for why, names in whys.items())]
    return "\n\n".join(part for part in parts if part) + "\n"


def _averages(found: Findings) -> str:
    """A row for each group of runs that differ by chance alone; nothing where there are none."""
    groups = found.groups
    rows = [
        ["runs", "number", "test accuracy, mean", "standard deviation", "lowest", "highest", "best validation, mean"]
    ]
    rows[0] += ["plateau at step, median", "kept step, median"]
    for name, places in groups.items():
        runs = [found.runs[place] for place in places]
        shares = [run.accuracy for run in runs if run.accuracy is not None]
        best = [run.best_validation for run in runs if run.best_validation is not None]
        steps = [plateau.step for place in places if (plateau := found.plateaus[place])]
        kept = [run.kept_step for run in runs if run.kept_step is not None]
        if len(shares) < 2 or not best or not steps or not kept:
            return ""
        row = [name, str(len(runs)), f"{mean(shares):.1%}", f"{100 * stdev(shares):.1f}", f"{min(shares):.1%}"]
        rows.append([*row, f"{max(shares):.1%}", f"{mean(best):.1%}", f"{median(steps):.0f}", f"{median(kept):.0f}"])
    return _aligned(rows)


def _runs(found: Findings) -> Rows:
    """A row a run; a column in which nobody has anything is left out, and a phase that took no time."""
    seen = dict.fromkeys(phase for run in found.runs for phase in run.seconds)
    phases = [phase for phase in seen if any(run.seconds.get(phase, 0.0) >= SHOWN_S for run in found.runs)]
    header = ["run", *_flags(found), "test accuracy", "95 in 100 times", "whole process", *phases]
    header += ["images/s", "best validation", "plateau at step", "plateau after", "kept step", "memory", "GPU memory"]
    rows = []
    for run, plateau in zip(found.runs, found.plateaus, strict=True):
        low, high = run.interval
        fast = run.pace.computed / run.pace.seconds if run.pace.seconds else None
        rows.append(
            [
                run.name,
                *(run.settings.get(flag, "") for flag in _flags(found)),
                "" if run.accuracy is None else f"{run.accuracy:.1%} of {run.tested}",
                "" if run.accuracy is None else f"{low:.1%} to {high:.1%}",
                _seconds(run.wall_s),
                *(_seconds(run.seconds.get(phase)) for phase in phases),
                "" if fast is None else f"{fast:.3g}",
                "" if run.best_validation is None else f"{run.best_validation:.1%}",
                str(plateau.step) if plateau else "",
                _seconds(plateau.seconds) if plateau else "",
                "" if run.kept_step is None else str(run.kept_step),
                _megabytes(run.host_peak_bytes),
                _megabytes(run.device_peak_bytes),
            ]
        )
    used = [place for place in range(len(header)) if any(row[place] for row in rows)]
    return [[row[place] for place in used] for row in (header, *rows)]


def _flags(found: Findings) -> list[str]:
    """The flags that set the runs apart, where the names are of folders."""
    flags = list(found.runs[0].settings)
    return [] if found.runs[0].group else flags


def _reading(found: Findings) -> str:
    lines = [
        "Plateau: the first step whose validation accuracy is within one point of the run's best, and the seconds since the run began.",
        "Kept: the step with the best validation loss, whose weights are tested.",
    ]
    if found.timed:
        lines.append(
            "Features are made anew for each network and device, from photos already in the system's memory; a run without images/s reads those of the run before it."
        )
    elif any(run.wall_s for run in found.runs):
        lines.append("Features were made before, and each run reads them.")
    if found.note:
        lines.append(f"\n\nNote: {found.note}")
    return " ".join(lines)


def _drift(pair: Pair) -> str:
    names = f"{pair.first} and {pair.other}"
    if not pair.shared:
        return f"{names}: no shared test photo"
    text = f"{names}: {pair.answers_differ} of {pair.shared} answers differ"
    if pair.largest_score_difference is not None:
        text += f"; where they agree, scores differ by {pair.largest_score_difference:.1g} at most"
    if pair.features:
        drift = pair.features
        text += (
            f"; features of {drift.photos} photos differ by {drift.largest:.1g} at most, typically by {drift.typical:.1g} "
            f"of their spread (least cosine {drift.least_cosine:.6f})"
        )
    return text


def _payoff(payoff: Payoff) -> str:
    lines = [
        f"- {line.name}: {line.start_s:.2f} s to start, then {line.photo_s * 1000:.3g} ms a photo"
        for line in payoff.lines
    ]
    lines += [f"- {_crossing(crossing)}" for crossing in payoff.crossings]
    rows = [["photos", *(line.name for line in payoff.lines), "soonest"]]
    rows += [
        [f"{count:,}", *(_seconds(line.seconds(count)) for line in payoff.lines), payoff.soonest(count)]
        for count in COUNTS
    ]
    return "Until the features of so many photos are there:\n\n" + "\n".join(lines) + "\n\n" + _aligned(rows)


def _crossing(crossing: Crossing) -> str:
    if crossing.photos is None:
        other = crossing.first if crossing.sooner == crossing.other else crossing.other
        return f"{crossing.sooner} is sooner than {other}, however many photos"
    return f"from {crossing.photos:,} photos on, {crossing.sooner} is sooner" + (
        f" than {crossing.first}" if crossing.sooner == crossing.other else f" than {crossing.other}"
    )


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:.2f} s"


def _megabytes(count: int | None) -> str:
    return "" if count is None else f"{count / 1e6:,.0f} MB"


def _aligned(rows: Rows) -> str:
    """A Markdown table whose columns stand under each other."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def line_of(run: Run) -> str:
    """One line for a run that is done."""
    share = "no test accuracy" if run.accuracy is None else f"test accuracy {run.accuracy:.1%} of {run.tested}"
    return f"{run.name}: {share}, {_seconds(run.wall_s)}"
