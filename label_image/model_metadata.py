"""Writes the metadata of an export as JSON, and reads it back.

Each exported file contains its metadata: a `.tflite` as the metadata entry METADATA_KEY, a GraphDef as a string constant of that
name, a SavedModel as `assets.extra/METADATA_KEY.json`. The fields are specified below; unknown fields are ignored, so that old
versions of the program can read new files.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from label_image.errors import RunError, meaning

METADATA_KEY = "retrain_card"
FORMAT = 1
GUESS = "a guess: "  # the beginning of a fact that nothing in the file confirms


@dataclass(frozen=True)
class Metadata:
    """How to use a classifier, and where it came from."""

    labels: tuple[str, ...]  # output k is labels[k]; () if unknown
    height_px: int
    width_px: int
    mean: tuple[float, ...]  # input = (pixel - mean) / std, pixels 0..255; one number or one per channel
    std: tuple[float, ...]
    input_layer: str = ""  # operation or tensor that takes the pixels; "" if there is only one input
    output_layer: str = ""  # the same for the scores
    training: Mapping[str, Any] = field(
        default_factory=dict
    )  # backbone, version, photos, accuracy; only shown to the user
    facts: Mapping[str, str] = field(default_factory=dict)  # field -> the origin of its value; not stored
    # The fields below are needed only for classifiers from other tools; they are stored only if they differ from the default.
    order: str = "RGB"  # order of the channels: "RGB", "BGR" or "grey"
    layout: str = "NHWC"  # "NHWC", "NCHW", "NHW" (no channel axis) or "flat"
    dtype: str = "float32"  # type of the input; integers are unscaled pixels, "string" is the photo's file
    crop_px: int = 0  # resize the central square to this size, then crop its centre; 0 resizes the whole photo
    output: str = "probabilities"  # or "sigmoid", "logits" (softmax is applied), "as is", "unset" (computed from uninitialised variables)
    outputs: int = 0  # number of outputs; 0 if unknown before the network is run
    what: str = ""  # the kind of file, in words; not stored
    inspected: bool = False  # the file had no metadata, so its graph was examined; not stored
    stated: tuple[str, ...] = ()  # those of FACTS that the file states; the others were concluded; not stored


FACTS = ("labels", "size", "range", "order", "input", "output")
_NOT_STORED = ("facts", "what", "inspected", "stated")
_OPTIONAL: dict[str, Any] = {
    "order": "RGB", "layout": "NHWC", "dtype": "float32", "crop_px": 0, "output": "probabilities", "outputs": 0,
}  # fmt: skip


_MOST_PX = 100_000
_KNOWN = {
    "order": ("RGB", "BGR", "grey"),
    "layout": ("NHWC", "NCHW", "NHW", "flat"),
    "dtype": ("float32", "float16", "float64", "uint8", "int8", "int16", "int32", "int64", "string"),
    "output": ("probabilities", "sigmoid", "logits", "as is"),
}


def to_json(metadata: Metadata) -> str:
    """Writes the metadata as one line of JSON with sorted keys, so that equal metadata gives equal bytes."""
    fields = {name: value for name, value in dataclasses.asdict(metadata).items() if name not in _NOT_STORED}
    for name, default in _OPTIONAL.items():
        if fields[name] == default:
            del fields[name]
    return json.dumps({"format": FORMAT, **fields}, ensure_ascii=False, sort_keys=True)


def from_json(text: str | bytes, where: str) -> Metadata:
    """Reads metadata.

    Args:
      text: the output of `to_json`.
      where: the file it came from, for the error.

    Raises:
      RunError: if it is not metadata, or its format is later than this program's.
    """
    try:
        fields = json.loads(text)
        if not isinstance(fields, dict):
            raise TypeError("it is JSON, but not metadata")
        if fields["format"] > FORMAT:
            raise RunError(
                f"cannot read {where}: its metadata has format {fields['format']}, but this program reads only up to format {FORMAT}; upgrade this program"
            )
        metadata = Metadata(
            labels=tuple(str(label) for label in fields["labels"]),
            height_px=int(fields["height_px"]),
            width_px=int(fields["width_px"]),
            mean=tuple(float(number) for number in fields["mean"]),
            std=tuple(float(number) for number in fields["std"]),
            input_layer=str(fields["input_layer"]),
            output_layer=str(fields["output_layer"]),
            training=dict(fields["training"]),
            facts=dict.fromkeys(("labels", "size", "range", "input", "output"), "the metadata inside the file"),
            stated=FACTS,
            **{name: type(default)(fields[name]) for name, default in _OPTIONAL.items() if name in fields},
        )
        _check(metadata)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise RunError(f"cannot read the metadata in {where}: {meaning(error)}; export it again") from None
    return metadata


def _check(metadata: Metadata) -> None:
    """Raises ValueError for impossible values, such as a size of -1."""
    if not all(0 <= px <= _MOST_PX for px in (metadata.height_px, metadata.width_px, metadata.crop_px)):
        raise ValueError(f"a size of {metadata.height_px} x {metadata.width_px} pixels")
    numbers = (*metadata.mean, *metadata.std)
    if not all(math.isfinite(number) for number in numbers) or not all(metadata.std) or not metadata.mean:
        raise ValueError(f"a scaling of mean {metadata.mean} and std {metadata.std}")
    if {len(metadata.mean), len(metadata.std)} - {1, 2, 3, 4}:
        raise ValueError(f"a scaling of {len(metadata.mean)} and {len(metadata.std)} channels")
    for name, known in _KNOWN.items():
        if getattr(metadata, name) not in known:
            raise ValueError(f"{name} is {getattr(metadata, name)!r}")
    if metadata.outputs < 0:
        raise ValueError(f"{metadata.outputs} outputs")
