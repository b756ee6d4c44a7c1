"""Writes the metadata of an export as JSON, and reads it back.

Each exported file contains its metadata: a `.tflite` as the metadata entry METADATA_KEY, a GraphDef as a string constant of that
name, a SavedModel as `assets.extra/METADATA_KEY.json`. The fields are specified below; unknown fields are ignored, so that old
versions of the program can read new files.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from label_image.errors import RunError, meaning
from label_image.metadata_fields import validated

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
# field -> which of FACTS it belongs to, and the flag that replaces it
_FACT_AND_FLAG = {
    "labels": ("labels", "--labels"), "height_px": ("size", "--input_height"), "width_px": ("size", "--input_width"),
    "mean": ("range", "--input_mean"), "std": ("range", "--input_std"), "order": ("order", "--input_order"),
}  # fmt: skip
_OPTIONAL: dict[str, Any] = {
    "order": "RGB", "layout": "NHWC", "dtype": "float32", "crop_px": 0, "output": "probabilities", "outputs": 0,
}  # fmt: skip


def to_json(metadata: Metadata) -> str:
    """Writes the metadata as one line of JSON with sorted keys, so that equal metadata gives equal bytes."""
    fields = {name: value for name, value in dataclasses.asdict(metadata).items() if name not in _NOT_STORED}
    for name, default in _OPTIONAL.items():
        if fields[name] == default:
            del fields[name]
    return json.dumps({"format": FORMAT, **fields}, ensure_ascii=False, sort_keys=True)


def from_json(text: str | bytes, where: str, typed: Mapping[str, Any] = MappingProxyType({})) -> Metadata:
    """Reads and validates metadata.

    Args:
      text: the output of `to_json`.
      where: the file it came from, for the error.
      typed: field -> the value that the user typed, which is used if the value in the file is impossible.

    Raises:
      RunError: if it is not metadata, a field is impossible, or its format is later than this program's.
    """
    try:
        fields = json.loads(text)
        if not isinstance(fields, dict):
            raise TypeError("it is JSON, but not metadata")
        if type(fields.get("format")) is not int:
            raise ValueError("its format is not a whole number")
        if fields["format"] > FORMAT:
            raise RunError(
                f"cannot read {where}: its metadata has format {fields['format']}, but this program reads only up to format {FORMAT}; upgrade this program"
            )
        values, replaced = validated(fields, typed)
    except (TypeError, ValueError, RecursionError) as error:
        raise RunError(f"cannot read the metadata in {where}: {meaning(error)}; export it again") from None
    facts = dict.fromkeys(("labels", "size", "range", "input", "output"), "the metadata inside the file")
    for name, found in replaced.items():
        facts[f"note impossible {name}"] = (
            f"{_FACT_AND_FLAG[name][1]} replaces the impossible {name} in its metadata, {found}"
        )
    unstated = {_FACT_AND_FLAG[name][0] for name in replaced}
    return Metadata(**values, facts=facts, stated=tuple(fact for fact in FACTS if fact not in unstated))
