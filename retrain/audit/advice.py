"""Writes the findings of an audit as at most seven lines of advice.

Each line names what to do. A line is left out unless the figures it shows support it.
"""

from __future__ import annotations

from collections.abc import Sequence

from retrain.types import CurvePoint, NearDuplicates, Suspect

_NAMED = 3  # most photos, or classes, that a line names
_LOW_QUALITY = 0.2  # labels with a quality below this are named
_GAIN = 0.03  # least gain in recall from twice the photos at which more photos are advised
_NO_GAIN = 0.005  # gain in recall below which more photos are said to hardly help
_SAME = 0.015  # two accuracies that differ by less are treated as equal
_ENOUGH = 10  # fewest photos of a class for which its recall is meaningful
_POINTS = 4  # fewest points of a learning curve that is meaningful
_UNEVEN = 5  # classes are uneven where the largest has this many times the photos of the smallest


def label_lines(suspects: Sequence[Suspect]) -> list[str]:
    """Returns one line about labels that are likely wrong, or none."""
    doubted = [suspect for suspect in suspects if suspect.quality < _LOW_QUALITY]
    if not doubted:
        return []
    named = "; ".join(f"{s.path} (labelled {s.label}, looks like {s.suggested})" for s in doubted[:_NAMED])
    more = f"; {len(doubted) - _NAMED} more in run.json" if len(doubted) > _NAMED else ""
    return [f"labels to look at first: {named}{more}"]


def duplicate_lines(
    duplicates: Sequence[NearDuplicates], leaks: int, accuracy: float | None, tested: int, whole: float | None = None
) -> list[str]:
    """Returns a line about near-duplicates in different subsets and a line about near-duplicates with different labels.

    Args:
      duplicates: pairs; those in different subsets come first.
      leaks: number of test photos with a near-duplicate in the training or validation set.
      accuracy: accuracy on the other test photos, 0..1; None if there are no others.
      tested: number of those other test photos.
      whole: accuracy on the whole test set, 0..1.
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
    """Returns up to two lines: for which classes more photos would help, and for which they would hardly help.

    Args:
      curve: the learning curve, fewest photos first.
      counts: number of photos of each class in all subsets.
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
            f"more photos of {_joined(helped)} would help: from {half.photos} to {full.photos} training photos, recall increased ({shown} photos)"
        )
    if hardly and len(hardly) == len(full.per_class):
        if abs(full.accuracy - half.accuracy) < _SAME:
            lines.append(
                f"more photos would hardly help: accuracy was {half.accuracy:.1%} with {half.photos} training photos and {full.accuracy:.1%} with {full.photos}"
            )
    elif hardly:
        lines.append(f"more photos of {_joined(hardly[:_NAMED], len(hardly))} would hardly help")
    return lines


def balance_lines(counts: dict[str, int], flat: Sequence[str], *, weigh_alike: bool) -> list[str]:
    """Returns a line about classes that have far fewer photos than the largest class, or none.

    Args:
      counts: number of photos of each class.
      flat: classes for which more photos would hardly help; they are not mentioned.
      weigh_alike: whether training already gives each class the same total weight.
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
    meanwhile = "" if weigh_alike else "; until then, --class_weights=balanced gives each class the same weight"
    line = f"classes are uneven: {shown}{more} against {counts[largest]} photos of {largest}; more photos of {_joined(small[:_NAMED], len(small))}"
    return [f"{line} would help most, and the figures for classes with so few photos are uncertain{meanwhile}"]


def flat_classes(curve: Sequence[CurvePoint], counts: dict[str, int]) -> list[str]:
    """Returns the classes whose recall stays the same with more photos.

    Classes with few photos, and classes whose recall falls, are not among them.
    """
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
    """Returns the classes whose recall rises, largest gain first.

    Both the line fitted to the curve and the two figures that are shown must rise.
    """
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
    """Returns half of the standard error of a recall: a change this small may be chance."""
    p = (half.per_class[label] + full.per_class[label]) / 2
    return float(0.5 * (max(p * (1 - p), 0.01) / count) ** 0.5)


def gain(curve: Sequence[CurvePoint], figures: Sequence[float]) -> float:
    """Estimates what twice the photos would add: the slope of a line fitted to the second half of the curve over log2(photos)."""
    import numpy as np

    start = len(curve) // 2 - 1
    sizes = np.log2([max(point.photos, 1) for point in curve[start:]])
    if np.ptp(sizes) == 0:
        return 0.0
    return float(np.polyfit(sizes, np.array(figures[start:]), 1)[0])


def _joined(names: Sequence[str], count: int = 0) -> str:
    """Returns 'a', 'a and b', 'a, b and c', or 'a, b, c and 4 more classes' if there are more than are named."""
    if count > len(names):
        return f"{', '.join(names)} and {count - len(names)} more classes"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
