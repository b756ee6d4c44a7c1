"""What a network seems to be for, where it is no classifier of whole photos: a segmenter, a detector, a network without a head.

Such networks give numbers too, and the largest of them has an index; called a label it would be an answer that means nothing.
So they are refused, in a line that says what they seem to be. Whoever knows better names the output with --output_layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from label_image.model_metadata import Metadata

NO_HEAD = "a network without a head (an embedding): it ends with features, and no layer makes scores of them"
INDEX = "the number of a class"  # what ArgMax gives
ONLY_AN_INDEX = "a network that gives the number of one class and no scores"
_NAMED = 6  # outputs that a line names
_EACH_ROUNDED = 1 / 512  # a score of eight bits is off by up to half of 1/256
_SUM_WITHIN = 0.02
_LENGTH_WITHIN = 1e-3


@dataclass(frozen=True)
class Output:
    """One output of a network.

    Attributes:
      name: its layer or tensor.
      shape: with its batch; -1 is open, () is unknown.
      kind: "probabilities", "sigmoid", "logits", "features", INDEX or "as is".
    """

    name: str
    shape: tuple[int, ...]
    kind: str

    @property
    def is_scores(self) -> bool:
        """Whether it ends in a softmax or sigmoid, one number a class."""
        return self.kind in ("probabilities", "sigmoid") and not seems_by_shape(self.shape)


def seems(chosen: Output, outputs: list[Output], *, finds_boxes: bool) -> str:
    """What a network seems to be, by its outputs.

    Args:
      chosen: the one that would be taken for the scores.
      outputs: all.
      finds_boxes: whether it has an operation that only detectors have.

    Returns:
      "" for a classifier.
    """
    boxes = [one for one in outputs if len(one.shape) == 3 and one.shape[2] == 4]
    if finds_boxes or (boxes and len(outputs) > 1):
        return f"an object detector{_listed(outputs)}"
    if by_shape := seems_by_shape(chosen.shape):
        return by_shape
    if chosen.kind == INDEX:
        return ONLY_AN_INDEX + _listed(outputs)
    if len(outputs) > 1 and not (chosen.is_scores and sum(one.is_scores for one in outputs) == 1):
        return f"a network with {len(outputs)} answers{_listed(outputs)}"
    return ""


def seems_by_inputs(others: Sequence[tuple[str, tuple[int, ...]]]) -> str:
    """What takes more than a photo; "" where the other inputs are switches, rates and counts, one number each.

    Args:
      others: name and shape of each input beside the photo's; a shape that is not known is ().

    >>> seems_by_inputs([("keep_prob", ()), ("batch", (1,))]), seems_by_inputs([("age", (1, 4))])
    ('', 'a network that takes more than a photo: age [1, 4]')
    """
    more = [f"{name} {shape_text(shape)}" for name, shape in others if any(size != 1 for size in shape[1:])]
    return f"a network that takes more than a photo: {', '.join(more[:_NAMED])}" if more else ""


def seems_by_shape(shape: tuple[int, ...]) -> str:
    """What gives numbers of this shape; "" for one row of numbers a photo.

    >>> seems_by_shape((1, 1000)), seems_by_shape((1, 1, 1, 1000)), seems_by_shape((5,))
    ('', '', '')
    >>> seems_by_shape((1, 32, 32, 4)), seems_by_shape((-1, 10, 4))
    ('a segmenter: it answers for each place of the picture, [1, 32, 32, 4]', 'a detector or a reader of rows: it gives many rows of numbers a photo, [-1, 10, 4]')
    """
    several = [size for size in shape[1:] if size != 1]
    if len(several) < 2:
        return ""
    if len(shape) >= 4:
        return f"a segmenter: it answers for each place of the picture, {shape_text(shape)}"
    return f"a detector or a reader of rows: it gives many rows of numbers a photo, {shape_text(shape)}"


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape for people; of one that no tensor has, which damage makes, only its beginning.

    >>> shape_text((1, 224, 224, 3)), shape_text((1,) * 99)
    ('[1, 224, 224, 3]', '[1, 1, 1, 1, 1, 1, ...] of 99 sizes')
    """
    if len(shape) <= _NAMED:
        return str(list(shape))
    return f"[{', '.join(map(str, shape[:_NAMED]))}, ...] of {len(shape)} sizes"


def seems_by_answer(metadata: Metadata, answer: npt.NDArray[np.float32]) -> str:
    """What a network seems to be, by what it gave for a drawn picture: float32 [1, ...], in the output's own shape."""
    if by_shape := seems_by_shape(answer.shape):
        return by_shape
    count, total = answer.size, float(answer.sum())
    if not np.isfinite(total):
        return ""
    if count == 1 and metadata.output == "as is" and not -_SUM_WITHIN <= total <= 1 + _SUM_WITHIN:
        return f"no classifier: it ends without a sigmoid, and gives one number, {total:.3g}"
    if count < 2:
        return ""
    if metadata.output == "probabilities" and abs(total - 1) > _SUM_WITHIN + count * _EACH_ROUNDED:
        return f"no classifier: its softmax gives scores whose sum is {total:.4g}, not 1"
    length = float(np.linalg.norm(answer.astype(np.float64)))
    named = len(metadata.labels) == count
    if metadata.output == "as is" and not named and abs(length - 1) < _LENGTH_WITHIN and abs(total - 1) > _SUM_WITHIN:
        return f"{NO_HEAD} (a vector of length 1)"
    low, high = float(answer.min()), float(answer.max())
    if metadata.output == "as is" and not (low >= -_SUM_WITHIN and high <= 1 + _SUM_WITHIN) and not named:
        return f"no classifier: it ends without a softmax, and gives {count:,} numbers between {low:.3g} and {high:.3g}"
    return ""


def refusal(path: object, what: str, outputs: list[Output]) -> str:
    """The line for a network that seems to be something else."""
    names = ", ".join(one.name for one in outputs[:_NAMED])
    return (
        f"cannot use {path}: it seems to be {what}; label_image takes networks that give a score a class for the whole photo. "
        f"--output_layer takes one of its outputs all the same: {names}"
    )


def _listed(outputs: list[Output]) -> str:
    if len(outputs) < 2:
        return ""
    named = ", ".join(f"{one.name} {shape_text(one.shape)}" if one.shape else one.name for one in outputs[:_NAMED])
    return f": {named}{', ...' if len(outputs) > _NAMED else ''}"
