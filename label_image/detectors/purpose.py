"""Recognises networks that are not classifiers of whole photos: segmenters, object detectors and networks without a head.

Their outputs are numbers too, but the index of the largest number is not a class, so a label would be meaningless. They are
refused with a message that says what they seem to be; --output_layer overrides this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from label_image.model_metadata import Metadata

NO_HEAD = "a network without a head (an embedding): its output is features, and no layer computes scores from them"
INDEX = "the index of a class"  # the result of ArgMax
ONLY_AN_INDEX = "a network that returns the index of one class and no scores"
_NAMED = 6  # outputs that a message lists
_EACH_ROUNDED = 1 / 512  # the rounding error of an 8-bit score is at most half of 1/256
_SUM_WITHIN = 0.02
_LENGTH_WITHIN = 1e-3


@dataclass(frozen=True)
class Output:
    """One output of a network.

    Attributes:
      name: the name of its layer or tensor.
      shape: includes the batch; -1 is an undefined size, () an unknown shape.
      kind: "probabilities", "sigmoid", "logits", "features", INDEX or "as is".
    """

    name: str
    shape: tuple[int, ...]
    kind: str

    @property
    def is_scores(self) -> bool:
        """Whether it is the result of a softmax or sigmoid, with one number for each class."""
        return self.kind in ("probabilities", "sigmoid") and not purpose_by_shape(self.shape)


def purpose_by_outputs(chosen: Output, outputs: list[Output], *, finds_boxes: bool) -> str:
    """Says what a network seems to be, judging by its outputs.

    Args:
      chosen: the output that would be used as the scores.
      outputs: all outputs.
      finds_boxes: whether the network has an operation that only object detectors have.

    Returns:
      "" for a classifier.
    """
    boxes = [one for one in outputs if len(one.shape) == 3 and one.shape[2] == 4]
    if finds_boxes or (boxes and len(outputs) > 1):
        return f"an object detector{_listed(outputs)}"
    if by_shape := purpose_by_shape(chosen.shape):
        return by_shape
    if chosen.kind == INDEX:
        return ONLY_AN_INDEX + _listed(outputs)
    if len(outputs) > 1 and not (chosen.is_scores and sum(one.is_scores for one in outputs) == 1):
        return f"a network with {len(outputs)} outputs{_listed(outputs)}"
    return ""


def purpose_by_inputs(others: Sequence[tuple[str, tuple[int, ...]]]) -> str:
    """Says which inputs the network needs besides a photo; "" if each of the others is a single number, such as a rate or a switch.

    Args:
      others: name and shape of each input other than the photo's; () is an unknown shape.

    >>> purpose_by_inputs([("keep_prob", ()), ("batch", (1,))]), purpose_by_inputs([("age", (1, 4))])
    ('', 'a network that needs more input than a photo: age [1, 4]')
    """
    more = [f"{name} {shape_text(shape)}" for name, shape in others if any(size != 1 for size in shape[1:])]
    return f"a network that needs more input than a photo: {', '.join(more[:_NAMED])}" if more else ""


def purpose_by_shape(shape: tuple[int, ...]) -> str:
    """Says what a network with an output of this shape seems to be; "" if the output is one row of numbers for each photo.

    >>> purpose_by_shape((1, 1000)), purpose_by_shape((1, 1, 1, 1000)), purpose_by_shape((5,))
    ('', '', '')
    >>> purpose_by_shape((1, 32, 32, 4)), purpose_by_shape((-1, 10, 4))
    ('a segmenter: it has an output for each position in the image, [1, 32, 32, 4]', 'an object detector or text recogniser: it returns many rows of numbers for each photo, [-1, 10, 4]')
    """
    several = [size for size in shape[1:] if size != 1]
    if len(several) < 2:
        return ""
    if len(shape) >= 4:
        return f"a segmenter: it has an output for each position in the image, {shape_text(shape)}"
    return f"an object detector or text recogniser: it returns many rows of numbers for each photo, {shape_text(shape)}"


def shape_text(shape: tuple[int, ...]) -> str:
    """Formats a shape for a message; an impossibly long shape, as in a damaged file, is shortened.

    >>> shape_text((1, 224, 224, 3)), shape_text((1,) * 99)
    ('[1, 224, 224, 3]', '[1, 1, 1, 1, 1, 1, ...] of 99 sizes')
    """
    if len(shape) <= _NAMED:
        return str(list(shape))
    return f"[{', '.join(map(str, shape[:_NAMED]))}, ...] of {len(shape)} sizes"


def purpose_by_scores(metadata: Metadata, answer: npt.NDArray[np.float32]) -> str:
    """Says what a network seems to be, judging by its output for a synthetic image: float32 [1, ...] in the output's own shape."""
    if by_shape := purpose_by_shape(answer.shape):
        return by_shape
    count, total = answer.size, float(answer.sum())
    if not np.isfinite(total):
        return ""
    if count == 1 and metadata.output == "as is" and not -_SUM_WITHIN <= total <= 1 + _SUM_WITHIN:
        return f"not a classifier: its output is one number, {total:.3g}, without a sigmoid"
    if count < 2:
        return ""
    if metadata.output == "probabilities" and abs(total - 1) > _SUM_WITHIN + count * _EACH_ROUNDED:
        return f"not a classifier: the scores of its softmax add up to {total:.4g}, not 1"
    length = float(np.linalg.norm(answer.astype(np.float64)))
    named = len(metadata.labels) == count
    if metadata.output == "as is" and not named and abs(length - 1) < _LENGTH_WITHIN and abs(total - 1) > _SUM_WITHIN:
        return f"{NO_HEAD} (a vector of length 1)"
    low, high = float(answer.min()), float(answer.max())
    if metadata.output == "as is" and not (low >= -_SUM_WITHIN and high <= 1 + _SUM_WITHIN) and not named:
        return f"not a classifier: its output is {count:,} numbers between {low:.3g} and {high:.3g}, without a softmax"
    return ""


def refusal(path: object, what: str, outputs: list[Output]) -> str:
    """Formats the message that refuses a network that does not seem to be a classifier."""
    names = ", ".join(one.name for one in outputs[:_NAMED])
    return (
        f"cannot use {path}: it seems to be {what}; label_image needs a network that returns one score for each class of the whole photo. "
        f"To use one of its outputs nevertheless, name it with --output_layer: {names}"
    )


def _listed(outputs: list[Output]) -> str:
    if len(outputs) < 2:
        return ""
    named = ", ".join(f"{one.name} {shape_text(one.shape)}" if one.shape else one.name for one in outputs[:_NAMED])
    return f": {named}{', ...' if len(outputs) > _NAMED else ''}"
