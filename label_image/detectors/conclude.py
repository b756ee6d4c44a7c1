"""Concludes the metadata of a file from the evidence found in it and beside it.

Each fact states where it comes from; a guess names the flag that overrides it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from label_image.detectors.evidence import RAW_DTYPES, Evidence, Range, impossible
from label_image.detectors.makers import MakerFiles, read_maker_files
from label_image.detectors.purpose import INDEX, NO_HEAD, refusal, shape_text
from label_image.detectors.ranges import NAMED, range_of
from label_image.detectors.sizes import flat_size
from label_image.errors import RunError
from label_image.model_metadata import GUESS, Metadata

_USUAL_PX = 224  # what most pretrained networks take
_OVERRIDE_SIZE = "(--input_height, --input_width override it)"
_OUTPUT_TEXTS = {
    "probabilities": "a softmax", "sigmoid": "a sigmoid for each class", "logits": "logits; a softmax is applied",
    "as is": "numbers that are used unchanged", "unset": "undefined: its weights are variables that the file never initialises",
}  # fmt: skip


def metadata_from(
    found: Evidence, path: Path, *, labels_typed: bool = False, range_typed: bool = False, insists: bool = False
) -> Metadata:
    """Concludes from the evidence how the classifier is used.

    Args:
      found: the evidence collected from the file.
      path: the file; other files beside it are read too.
      labels_typed: whether the user gave the labels; then no labels file is searched for.
      range_typed: whether the user gave mean and standard deviation; then impossible ones are ignored.
      insists: whether the user named the output; then it is used even if the network does not seem to be a classifier.

    Raises:
      RunError: the input does not take photos, or the network is not a classifier.
    """
    if found.other_purpose and not insists:
        raise RunError(refusal(path, found.other_purpose, list(found.others)))
    maker = read_maker_files(path, labels_typed=labels_typed, range_typed=range_typed)
    height, width, channels, layout, size_why = _input_shape(found, path)
    found = _with_possible_range(found, path, range_typed)
    taken = range_of(found, maker.range, channels)
    order = "grey" if channels == 1 else (taken.order if taken.order != "grey" else "RGB")
    mean, std = (_mean(taken.mean), _mean(taken.std)) if channels == 1 else (taken.mean, taken.std)
    labels, labels_why = _labels(found, maker, labels_typed)
    output = _output_kind(found, path, labelled=labels_typed or len(labels) == found.outputs, insists=insists)
    facts = {
        "size": size_why, "range": _range_why(taken, order), "order": _order_why(order, taken),
        "input": found.input_why, "output": f"{found.output_why}: {_output_text(found, output)}", "labels": labels_why,
    }  # fmt: skip
    facts |= {f"note {number}": note for number, note in enumerate(found.notes, 1)}
    return Metadata(
        labels=labels, height_px=height, width_px=width, mean=mean, std=std, input_layer=found.input_layer,
        output_layer=found.output_layer, training={}, facts=facts, order=order, layout=layout, dtype=found.dtype,
        crop_px=taken.crop_px, output=output, outputs=found.outputs, what=found.what, inspected=True,
        stated=_stated(found, maker, size_why),
    )  # fmt: skip


def _input_shape(found: Evidence, path: Path) -> tuple[int, int, int, str, str]:
    """Returns height, width, channels and layout of the input, and how they are known."""
    shape, why = found.shape, found.shape_why
    if found.dtype == "string":
        return 0, 0, 3, "NHWC", why
    if len(shape) == 4:
        first = shape[1] in (1, 3) and shape[3] not in (1, 3)
        height, width, channels = (shape[2], shape[3], shape[1]) if first else (shape[1], shape[2], shape[3])
        return _with_default_size(found, path, (height, width, channels), "NCHW" if first else "NHWC")
    if len(shape) == 3 and shape[2] in (1, 3) and shape[0] > 3:
        return _with_default_size(found, path, (shape[0], shape[1], shape[2]), "NHWC")
    if len(shape) == 3:
        return _with_default_size(found, path, (shape[1], shape[2], 1), "NHW")
    if len(shape) in (1, 2) and shape[-1] > 0:
        side, channels = flat_size(shape[-1])
        if side:
            return side, side, channels, "flat", f"{why}: {shape[-1]} = {side} x {side} x {channels}"
    raise RunError(f"cannot use {path}: its input has shape {shape_text(shape)}; photos need [1, height, width, 3]")


def _with_default_size(
    found: Evidence, path: Path, size: tuple[int, int, int], layout: str
) -> tuple[int, int, int, str, str]:
    """Replaces sizes that the file leaves undefined."""
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
    return side, side, channels, layout, f"{GUESS}the file does not define it {_OVERRIDE_SIZE}"


def _with_possible_range(found: Evidence, path: Path, range_typed: bool) -> Evidence:
    """Removes an impossible range that metadata in the file states, if the user gave another one.

    Raises:
      RunError: the range is impossible, and the user gave none.
    """
    if found.range is None or found.dtype == "string" or found.dtype in RAW_DTYPES:
        return found
    problem = impossible(found.range.mean, found.range.std)
    if problem and not range_typed:
        raise RunError(f"cannot use {path}: {problem} ({found.range.why}); give --input_mean and --input_std")
    return replace(found, range=None) if problem else found


def _stated(found: Evidence, maker: MakerFiles, size_why: str) -> tuple[str, ...]:
    """The facts that the file, or a file that its maker placed beside it, states explicitly; the others are conclusions."""
    said = {
        "labels": bool(found.labels),
        "size": found.dtype != "string" and "shape" in size_why and not size_why.startswith(GUESS),
        "range": found.range is not None or (maker.range is not None and maker.range.sure),
    }
    return tuple(fact for fact, is_said in said.items() if is_said)


def _mean(numbers: tuple[float, ...]) -> tuple[float, ...]:
    return (sum(numbers) / len(numbers),)


def _range_why(taken: Range, order: str) -> str:
    """How the range is known; for a guess, also which flags to try if it is wrong."""
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


def _output_text(found: Evidence, output: str) -> str:
    if found.outputs == 1:
        return "one number for two classes" + ("; a sigmoid is applied" if output == "logits" else "")
    return _OUTPUT_TEXTS[output]


def _output_kind(found: Evidence, path: Path, *, labelled: bool, insists: bool) -> str:
    """What the output means. Features count as scores only if there are as many labels, as after the last pooling of SqueezeNet.

    Raises:
      RunError: the output is features, and neither labels nor flags contradict that.
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


def _labels(found: Evidence, maker: MakerFiles, labels_typed: bool) -> tuple[tuple[str, ...], str]:
    if found.labels:  # even if the user gave labels, because they are compared with these
        return found.labels, found.labels_why
    if labels_typed:
        return (), "--labels"
    if maker.labels:
        return maker.labels, maker.labels_why
    return (), "none found: classes have numbers (--labels names them)"
