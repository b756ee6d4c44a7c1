"""Formats the table of the exports and their verification."""

from __future__ import annotations

from collections.abc import Sequence

from retrain.types import Export

# The result of an export in another program (docs/elsewhere.md).
_OUTCOMES = {
    "agrees": "agrees",
    "differs": "gives other scores",
    "refuses": "cannot read it",
    "crashes": "crashes on it",
    "hangs": "does not answer",
}


def table_lines(exports: Sequence[Export]) -> list[str]:
    """Formats the exports for the user: a table of those that were run, a line for each of the others."""
    run = [made for made in exports if made.accuracy is not None and made.interval is not None]
    width = max((len(str(made.path)) for made in run), default=0)
    lines = []
    if run:
        lines.append(
            f"{f'run on {run[0].images} photos':{width}}      size  ms/image  same label  score within  accuracy (95% confidence interval)"
        )
    for made in run:
        low, high = made.interval or (0.0, 1.0)
        lines.append(
            f"{made.path!s:{width}}  {size_of(made.bytes):>8}  {made.ms_image or 0:8.1f}  {made.agreement or 0:10.1%}  "
            f"{made.largest_difference or 0:12.0e}  {made.accuracy or 0:.1%} ({low:.1%} to {high:.1%})"
            f"{''.join(f'  {one.reader} {_OUTCOMES[one.outcome]}' for one in made.readings)}"
        )
    rest = [made for made in exports if made not in run]
    return lines + [f"wrote {made.path} ({size_of(made.bytes)}{f', {made.how}' if made.how else ''})" for made in rest]


def size_of(count: int) -> str:
    """Formats a number of bytes for the user: "13.4 MB"."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count} B"
