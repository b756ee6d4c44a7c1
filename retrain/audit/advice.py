"""Words an audit's findings as at most seven lines, each naming what to do; a line that its own figures do not bear out is not said."""

from __future__ import annotations

from collections.abc import Sequence

from retrain.types import CurvePoint, Suspect, Twins

_NAMED = 3  # suspects, and classes, that a line names
_DOUBTED = 0.2  # the quality below which a label is named
_GAIN = 0.03  # recall that twice the photos add, from which it is said
_NO_GAIN = 0.005  # and below which the opposite is
_SAME = 0.015  # accuracies that differ by less are said to be hardly different
_ENOUGH = 10  # photos of a class from which its recall says anything
_POINTS = 4  # of a curve from which it says anything
_UNEVEN = 5  # times the photos of the smallest class


def label_lines(suspects: Sequence[Suspect]) -> list[str]:
    """One line on labels that are likely wrong."""
    doubted = [suspect for suspect in suspects if suspect.quality < _DOUBTED]
    if not doubted:
        return []
    named = "; ".join(f"{s.path} (labelled {s.label}, looks like {s.suggested})" for s in doubted[:_NAMED])
    more = f"; {len(doubted) - _NAMED} more in run.json" if len(doubted) > _NAMED else ""
    return [f"labels to look at first: {named}{more}"]


def twin_lines(
    duplicates: Sequence[Twins], leaks: int, accuracy: float | None, tested: int, whole: float | None = None
) -> list[str]:
    """A line on near-duplicates across the lists, one on near-duplicates with two labels.

    Args:
      duplicates: pairs, those in two lists first.
      leaks: test photos with a near-duplicate in training or validation.
      accuracy: of the test without them, 0..1; None where none is left.
      tested: how many are left.
      whole: the accuracy of the whole test.
    """
    lines = []
    crossing = [pair for pair in duplicates if (pair.first_list == "testing") != (pair.second_list == "testing")]
    if leaks and crossing:
        pair = crossing[0]
        without = f"; without them the accuracy is {accuracy:.1%} (N={tested})" if accuracy is not None else ""
        which = "1 test photo is a near-duplicate" if leaks == 1 else f"{leaks} test photos are near-duplicates"
        lower = whole is None or accuracy is None or (f"{accuracy:.1%}" != f"{whole:.1%}" and accuracy < whole)
        effect = ", so the accuracy is inflated" if lower else ", which makes the test easier"
        lines.append(
            f"{which} of a training or validation photo{effect}: keep one of "
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
    if len(curve) < _POINTS:
        return []
    half, full = curve[len(curve) // 2 - 1], curve[-1]
    helped = _rising(curve, counts)
    hardly = flat_classes(curve, counts)
    lines = []
    if helped:
        shown = ", ".join(f"{x} {half.per_class[x]:.0%} to {full.per_class[x]:.0%} of {counts[x]}" for x in helped)
        lines.append(
            f"more photos of {_and(helped)} would help: from {half.photos} to {full.photos} photos to train on, recall rose ({shown})"
        )
    if hardly and len(hardly) == len(full.per_class):
        if abs(full.accuracy - half.accuracy) < _SAME:
            lines.append(
                f"more photos would hardly help: {half.accuracy:.1%} right with {half.photos}, {full.accuracy:.1%} with {full.photos}"
            )
    elif hardly:
        lines.append(f"more photos of {_and(hardly[:_NAMED], len(hardly))} would hardly help")
    return lines


def balance_lines(counts: dict[str, int], flat: Sequence[str], *, weigh_alike: bool) -> list[str]:
    """A line on classes with far fewer photos than the largest.

    Args:
      counts: photos of each class.
      flat: classes of which more photos would hardly help, whatever their number.
      weigh_alike: whether training already lets each class weigh the same.
    """
    if len(counts) < 2:
        return []
    largest = max(counts, key=lambda label: counts[label])
    small = sorted(
        (x for x in counts if counts[x] * _UNEVEN <= counts[largest] and x not in flat), key=lambda x: counts[x]
    )
    if not small:
        return []
    shown = ", ".join(f"{counts[x]} of {x}" for x in small[:_NAMED])
    more = f" and {len(small) - _NAMED} more classes" if len(small) > _NAMED else ""
    meanwhile = "" if weigh_alike else "; meanwhile --class_weights=balanced lets each class weigh the same"
    line = f"classes are uneven: {shown}{more} against {counts[largest]} photos of {largest}; more photos of {_and(small[:_NAMED], len(small))}"
    return [f"{line} would help first, and figures of so few are rough{meanwhile}"]


def flat_classes(curve: Sequence[CurvePoint], counts: dict[str, int]) -> list[str]:
    """The classes whose recall stays the same with more photos; those of few photos, or whose recall falls, are not among them."""
    if len(curve) < _POINTS:
        return []
    half, full = curve[len(curve) // 2 - 1], curve[-1]
    return [
        x
        for x in full.per_class
        if counts[x] >= _ENOUGH
        and -_GAIN < _gain_of(curve, x) < _NO_GAIN
        and _noise(half, full, x, counts[x]) < _GAIN
        and abs(full.per_class[x] - half.per_class[x]) < _GAIN
    ]


def _rising(curve: Sequence[CurvePoint], counts: dict[str, int]) -> list[str]:
    """The classes whose recall rises, by the line through the curve and by the two figures that are shown; most first."""
    half, full = curve[len(curve) // 2 - 1], curve[-1]
    rising = []
    for x in full.per_class:
        least = max(_GAIN, _noise(half, full, x, counts[x]))
        rise = full.per_class[x] - half.per_class[x]
        if counts[x] >= _ENOUGH and _gain_of(curve, x) >= least and rise >= least:
            rising.append(x)
    return sorted(rising, key=lambda x: -_gain_of(curve, x))[:_NAMED]


def _gain_of(curve: Sequence[CurvePoint], label: str) -> float:
    return gain(curve, [point.per_class[label] for point in curve])


def _noise(half: CurvePoint, full: CurvePoint, label: str, count: int) -> float:
    """Half of the standard error of a recall: what photos of one class, tested twice, differ by without a reason."""
    p = (half.per_class[label] + full.per_class[label]) / 2
    return float(0.5 * (max(p * (1 - p), 0.01) / count) ** 0.5)


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
