"""Writes the result of a comparison as Markdown that is also readable on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median, stdev

from retrain.compare.findings import ComparisonResult, Pair
from retrain.compare.payoff import COUNTS, Crossing, Payoff
from retrain.compare.records import ComparedRun

_SIGNIFICANT = 0.05  # a difference with a p value below this is significant
SHOWN_S = 0.005  # shortest phase that is shown; shorter ones would be 0.00 s
_MANY = 10  # most pairs that are all listed; of more, only significant differences are
Rows = Sequence[Sequence[str]]


def markdown(found: ComparisonResult) -> str:
    """Returns the whole text."""
    parts = [_averages(found), _aligned(_runs(found)), _reading(found)]
    significant = [pair for pair in found.pairs if pair.p < _SIGNIFICANT]
    listed = found.pairs if len(found.pairs) <= _MANY else significant
    lines = [f"- {pair.sentence}" for pair in listed]
    if len(listed) < len(found.pairs):
        lines.append(f"- {len(found.pairs) - len(significant)} of {len(found.pairs)} pairs: no significant difference")
    if len(found.pairs) > 1:
        lines.append("\nThe p values have Holm's correction, because several pairs are tested at once.")
    parts += ["## Does the accuracy differ?", "\n".join(lines)]
    if len(found.pairs) <= _MANY:
        parts += [
            "## How much do predictions and features differ?",
            "\n".join(f"- {_drift(pair)}" for pair in found.pairs),
        ]
    if found.payoff:
        parts += ["## Which is faster, for how many photos?", _payoff(found.payoff)]
    whys: dict[str, list[str]] = {}
    for run in found.runs:
        whys.setdefault(run.why, []).append(run.name)
    parts += ["## What ran the network"]
    parts += ["\n".join(f"- {', '.join(names)}: {why}" if len(whys) > 1 else f"- {why}" for why, names in whys.items())]
    return "\n\n".join(part for part in parts if part) + "\n"


def _averages(found: ComparisonResult) -> str:
    """Returns a table with a row for each group of runs that differ only by their seeds; "" if there are no groups."""
    groups = found.groups
    rows = [
        ["runs", "number", "test accuracy, mean", "standard deviation", "lowest", "highest", "best validation, mean"]
    ]
    rows[0] += ["plateau at step, median", "kept step, median"]
    for name, places in groups.items():
        runs = [found.runs[place] for place in places]
        accuracies = [run.accuracy for run in runs if run.accuracy is not None]
        best = [run.best_validation for run in runs if run.best_validation is not None]
        steps = [plateau.step for place in places if (plateau := found.plateaus[place])]
        kept = [run.kept_step for run in runs if run.kept_step is not None]
        if len(accuracies) < 2 or not best or not steps or not kept:
            return ""
        row = [
            name,
            str(len(runs)),
            f"{mean(accuracies):.1%}",
            f"{100 * stdev(accuracies):.1f}",
            f"{min(accuracies):.1%}",
        ]
        rows.append(
            [*row, f"{max(accuracies):.1%}", f"{mean(best):.1%}", f"{median(steps):.0f}", f"{median(kept):.0f}"]
        )
    return _aligned(rows)


def _runs(found: ComparisonResult) -> Rows:
    """Returns a table with a row for each run, without empty columns and without phases that took no time."""
    seen = dict.fromkeys(phase for run in found.runs for phase in run.seconds)
    phases = [phase for phase in seen if any(run.seconds.get(phase, 0.0) >= SHOWN_S for run in found.runs)]
    header = ["run", *_flags(found), "test accuracy", "95% confidence interval", "whole process", *phases]
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


def _flags(found: ComparisonResult) -> list[str]:
    """Returns the flags by which the runs differ, if the names of the runs do not contain them."""
    flags = list(found.runs[0].settings)
    return [] if found.runs[0].group else flags


def _reading(found: ComparisonResult) -> str:
    lines = [
        "Plateau: the first step whose validation accuracy is within one percentage point of the best of that run, and the time since the run began.",
        "Kept step: the step with the lowest validation loss; its weights are tested.",
    ]
    if found.timed:
        lines.append(
            "Features are computed again for each network and device, from photos that the system has in memory; a run without images/s reads the features of the run before it."
        )
    elif any(run.wall_s for run in found.runs):
        lines.append("Features were computed before the runs, and each run reads them.")
    if found.note:
        lines.append(f"\n\nNote: {found.note}")
    return " ".join(lines)


def _drift(pair: Pair) -> str:
    names = f"{pair.first} and {pair.other}"
    if not pair.shared:
        return f"{names}: no test photo in common"
    text = f"{names}: {pair.answers_differ} of {pair.shared} predictions differ"
    if pair.largest_score_difference is not None:
        text += f"; where they agree, scores differ by {pair.largest_score_difference:.1g} at most"
    if pair.features:
        drift = pair.features
        text += (
            f"; features of {drift.photos} photos differ by {drift.largest:.1g} at most, typically by {drift.typical:.1g} "
            f"of their standard deviation (lowest cosine similarity {drift.least_cosine:.6f})"
        )
    return text


def _payoff(payoff: Payoff) -> str:
    lines = [
        f"- {line.name}: {line.start_s:.2f} s to start, then {line.photo_s * 1000:.3g} ms per photo"
        for line in payoff.lines
    ]
    lines += [f"- {_crossing(crossing)}" for crossing in payoff.crossings]
    rows = [["photos", *(line.name for line in payoff.lines), "fastest"]]
    rows += [
        [f"{count:,}", *(_seconds(line.seconds(count)) for line in payoff.lines), payoff.soonest(count)]
        for count in COUNTS
    ]
    return "Time to compute the features of a number of photos:\n\n" + "\n".join(lines) + "\n\n" + _aligned(rows)


def _crossing(crossing: Crossing) -> str:
    if crossing.photos is None:
        other = crossing.first if crossing.sooner == crossing.other else crossing.other
        return f"{crossing.sooner} is faster than {other} for any number of photos"
    return f"from {crossing.photos:,} photos on, {crossing.sooner} is faster" + (
        f" than {crossing.first}" if crossing.sooner == crossing.other else f" than {crossing.other}"
    )


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:.2f} s"


def _megabytes(count: int | None) -> str:
    return "" if count is None else f"{count / 1e6:,.0f} MB"


def _aligned(rows: Rows) -> str:
    """Returns a Markdown table with aligned columns."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def line_of(run: ComparedRun) -> str:
    """Returns one line for a finished run."""
    accuracy = "no test accuracy" if run.accuracy is None else f"test accuracy {run.accuracy:.1%} of {run.tested}"
    return f"{run.name}: {accuracy}, {_seconds(run.wall_s)}"
