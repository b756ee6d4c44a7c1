"""An Audit's findings in, at most six plain lines out, each naming what to do."""

from __future__ import annotations

from collections.abc import Sequence

from retrain.nouns import CurvePoint, Suspect, Twins

_NAMED = 3  # suspects, and classes, that a line names
_DOUBTED = 0.2  # the quality below which a label is named
_GAIN = 0.03  # recall that twice the photos add, from which it is said
_NO_GAIN = 0.005  # and below which the opposite is


def label_lines(suspects: Sequence[Suspect]) -> list[str]:
    """One line on labels that are likely wrong."""
    doubted = [suspect for suspect in suspects if suspect.quality < _DOUBTED]
    if not doubted:
        return []
    named = "; ".join(f"{s.path} (labelled {s.label}, looks like {s.suggested})" for s in doubted[:_NAMED])
    more = f"; {len(doubted) - _NAMED} more in run.json" if len(doubted) > _NAMED else ""
    return [f"labels to look at first: {named}{more}"]


def twin_lines(duplicates: Sequence[Twins], leaks: int, accuracy: float | None, tested: int) -> list[str]:
    """A line on twins across the lists, one on twins with two labels."""
    lines = []
    crossing = [pair for pair in duplicates if (pair.first_list == "testing") != (pair.second_list == "testing")]
    if leaks and crossing:
        pair = crossing[0]
        without = f"; without them the accuracy is {accuracy:.1%} (N={tested})" if accuracy is not None else ""
        which = "1 test photo shows" if leaks == 1 else f"{leaks} test photos show"
        lines.append(
            f"{which} what a photo for training or validation shows, which makes the test too easy: keep one of "
            f"{pair.first} and {pair.second}{', and so on (run.json)' if leaks > 1 else ''}{without}"
        )
    torn = [pair for pair in duplicates if pair.first_label != pair.second_label]
    if torn:
        pair = torn[0]
        which = (
            "2 photos that look the same have"
            if len(torn) == 1
            else f"{len(torn)} pairs of photos that look the same have"
        )
        lines.append(
            f"{which} two labels; decide on one: {pair.first} ({pair.first_label}), {pair.second} ({pair.second_label})"
        )
    return lines


def curve_lines(curve: Sequence[CurvePoint], counts: dict[str, int]) -> list[str]:
    """Up to two lines: where more photos would help, and where they would hardly.

    Args:
      curve: fewest photos first.
      counts: photos of each class, all lists together.
    """
    if len(curve) < 4:
        return []
    half, full = curve[len(curve) // 2 - 1], curve[-1]
    gains = {label: gain(curve, [point.per_class[label] for point in curve]) for label in full.per_class}
    # Half of the standard error of a recall: what photos of one class, tested twice, differ by without a reason.
    noise = {label: 0.5 * (max(p * (1 - p), 0.01) / counts[label]) ** 0.5 for label, p in full.per_class.items()}
    helped = sorted((x for x in gains if gains[x] >= max(_GAIN, noise[x])), key=lambda x: -gains[x])[:_NAMED]
    hardly = [x for x in gains if gains[x] < _NO_GAIN and noise[x] < _GAIN]
    lines = []
    if helped:
        shown = ", ".join(f"{x} {half.per_class[x]:.0%} to {full.per_class[x]:.0%}" for x in helped)
        lines.append(
            f"more photos of {_and(helped)} would help: from {half.photos} to {full.photos} photos to train on, the share found "
            f"rose ({shown})"
        )
    if hardly and len(hardly) == len(gains):
        lines.append(
            f"more photos would hardly help: {half.accuracy:.1%} right with {half.photos}, {full.accuracy:.1%} with {full.photos}"
        )
    elif hardly:
        lines.append(f"more photos of {_and(hardly[:_NAMED], len(hardly))} would hardly help")
    return lines


def gain(curve: Sequence[CurvePoint], figures: Sequence[float]) -> float:
    """What twice the photos would add, by a straight line through the second half of the curve over log2(photos)."""
    import numpy as np

    start = len(curve) // 2 - 1
    sizes = np.log2([max(point.photos, 1) for point in curve[start:]])
    if np.ptp(sizes) == 0:
        return 0.0
    return float(np.polyfit(sizes, np.array(figures[start:]), 1)[0])


def _and(names: Sequence[str], count: int = 0) -> str:
    """'a', 'a and b', 'a, b and c', 'a, b, c and 4 more classes'."""
    if count > len(names):
        return f"{', '.join(names)} and {count - len(names)} more classes"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
