"""Concludes the metadata of a file from the evidence found in it and beside it.

Each fact says where it comes from; a guess names the flag that overrides it.
"""

from __future__ import annotations

from pathlib import Path

from label_image.detectors.evidence import Evidence, Range
from label_image.detectors.makers import Beside, beside
from label_image.detectors.purpose import INDEX, NO_HEAD, refusal, shape_text
from label_image.detectors.ranges import NAMED, range_of
from label_image.detectors.sizes import flat_size
from label_image.errors import RunError
from label_image.model_metadata import GUESS, Metadata

_USUAL_PX = 224  # what most pretrained networks take
_OVERRIDE_SIZE = "(--input_height, --input_width override it)"
_GIVES = {
    "probabilities": "a softmax", "sigmoid": "a sigmoid for each class", "logits": "logits; a softmax is applied",
    "as is": "numbers, taken as they are", "unset": "nothing: its weights are variables that nothing in the file sets",
}  # fmt: skip


def metadata_from(found: Evidence, path: Path, *, labels_typed: bool = False, insists: bool = False) -> Metadata:
    """What the evidence means.

    Args:
      found: what a reader found in the file.
      path: the file, to look beside it.
      labels_typed: whether the user named the labels himself; then nothing is looked for.
      insists: whether the user named the output; then it is used whatever the network seems to be for.

    Raises:
      RunError: an input that no photo fits, or no classifier.
    """
    if found.seems and not insists:
        raise RunError(refusal(path, found.seems, list(found.others)))
    maker = beside(path)
    height, width, channels, layout, size_why = _frame(found, path)
    taken = range_of(found, maker.range, channels)
    order = "grey" if channels == 1 else (taken.order if taken.order != "grey" else "RGB")
    mean, std = (_one(taken.mean), _one(taken.std)) if channels == 1 else (taken.mean, taken.std)
    labels, labels_why = _labels(found, maker, labels_typed)
    output = _scores(found, path, labelled=labels_typed or len(labels) == found.outputs, insists=insists)
    facts = {
        "size": size_why, "range": _sure(taken, order), "order": _order_why(order, taken),
        "input": found.input_why, "output": f"{found.output_why}: {_gives(found, output)}", "labels": labels_why,
    }  # fmt: skip
    facts |= {f"note {number}": note for number, note in enumerate(found.notes, 1)}
    return Metadata(
        labels=labels, height_px=height, width_px=width, mean=mean, std=std, input_layer=found.input_layer,
        output_layer=found.output_layer, training={}, facts=facts, order=order, layout=layout, dtype=found.dtype,
        crop_px=taken.crop_px, output=output, outputs=found.outputs, what=found.what, inspected=True,
        stated=_stated(found, maker, size_why),
    )  # fmt: skip


def _frame(found: Evidence, path: Path) -> tuple[int, int, int, str, str]:
    """Height, width, channels, layout, and how they are known."""
    shape, why = found.shape, found.shape_why
    if found.dtype == "string":
        return 0, 0, 3, "NHWC", why
    if len(shape) == 4:
        first = shape[1] in (1, 3) and shape[3] not in (1, 3)
        height, width, channels = (shape[2], shape[3], shape[1]) if first else (shape[1], shape[2], shape[3])
        return _open_size(found, path, (height, width, channels), "NCHW" if first else "NHWC")
    if len(shape) == 3 and shape[2] in (1, 3) and shape[0] > 3:
        return _open_size(found, path, (shape[0], shape[1], shape[2]), "NHWC")
    if len(shape) == 3:
        return _open_size(found, path, (shape[1], shape[2], 1), "NHW")
    if len(shape) in (1, 2) and shape[-1] > 0:
        side, channels = flat_size(shape[-1])
        if side:
            return side, side, channels, "flat", f"{why}: {shape[-1]} = {side} x {side} x {channels}"
    raise RunError(f"cannot use {path}: its input has shape {shape_text(shape)}, a photo needs [1, height, width, 3]")


def _open_size(found: Evidence, path: Path, size: tuple[int, int, int], layout: str) -> tuple[int, int, int, str, str]:
    """Fills in what the file leaves open."""
    height, width, channels = size
    if channels in (-1, 0):
        channels = 3
    if channels not in (1, 3):
        raise RunError(
            f"cannot use {path}: its input has shape {shape_text(found.shape)}, {channels} channels; photos have 3 or 1"
        )
    if height > 1 and width > 1:
        return height, width, channels, layout, found.shape_why
    given = max(height, width)
    side = given if given > 1 else _USUAL_PX
    return side, side, channels, layout, f"{GUESS}the file leaves it open {_OVERRIDE_SIZE}"


def _stated(found: Evidence, maker: Beside, size_why: str) -> tuple[str, ...]:
    """What the file, or its maker in a file beside it, says in so many words; the rest is concluded from what it looks like."""
    said = {
        "labels": bool(found.labels),
        "size": found.dtype != "string" and "shape" in size_why and not size_why.startswith(GUESS),
        "range": found.range is not None or (maker.range is not None and maker.range.sure),
    }
    return tuple(fact for fact, is_said in said.items() if is_said)


def _one(numbers: tuple[float, ...]) -> tuple[float, ...]:
    return (sum(numbers) / len(numbers),)


def _sure(taken: Range, order: str) -> str:
    """How the range is known; a guess says so, and what to type where it was wrong."""
    if taken.sure:
        return taken.why
    others = [
        f"--input_mean {mean[0]:g} --input_std {std[0]:g} ({name})"
        for name, (mean, std) in NAMED.items()
        if (mean, std) != (taken.mean, taken.std)
    ]
    if order != "grey":
        others.append(f"--input_order {'rgb' if order == 'BGR' else 'bgr'}")
    return f"{GUESS}{taken.why}; if the labels look wrong, try {', '.join(others[:-1])} or {others[-1]}"


def _order_why(order: str, taken: Range) -> str:
    if order == "grey":
        return "the input has one channel"
    return (taken.why if taken.sure else f"{GUESS}{taken.why}") if order == "BGR" else "the usual one"


def _gives(found: Evidence, output: str) -> str:
    if found.outputs == 1:
        return "one number for two classes" + ("; a sigmoid is applied" if output == "logits" else "")
    return _GIVES[output]


def _scores(found: Evidence, path: Path, *, labelled: bool, insists: bool) -> str:
    """What its numbers are; features are scores only where as many labels belong to them, as behind SqueezeNet's last pool.

    Raises:
      RunError: they are features, and nobody says otherwise.
    """
    if found.output == INDEX:
        return "as is"
    if found.output != "features":
        return found.output
    if labelled:
        return "logits"
    if insists:
        return "as is"
    raise RunError(refusal(path, NO_HEAD, list(found.others)))


def _labels(found: Evidence, maker: Beside, labels_typed: bool) -> tuple[tuple[str, ...], str]:
    if found.labels:  # also where others were typed, which are held against them
        return found.labels, found.labels_why
    if labels_typed:
        return (), "--labels"
    if maker.labels:
        return maker.labels, maker.labels_why
    return (), "none found: classes have numbers (--labels names them)"
