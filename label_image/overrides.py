"""Combines what the user typed about a classifier with what the file says of itself.

A typed value that contradicts what the file states (in its metadata, or by the fixed shape of its input) is refused, because
the answers would be silently wrong. A typed value replaces what was only concluded from the graph, and both are reported.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from label_image.describe import numbers_text, range_text
from label_image.detectors.evidence import RAW_DTYPES
from label_image.errors import UserError
from label_image.labels import Labels, chosen, fitted, labels_file, without_index
from label_image.model_file import ModelFile
from label_image.model_kinds.table import kind_named
from label_image.model_metadata import Metadata

_ORDERS = {"rgb": "RGB", "bgr": "BGR", "grey": "grey"}
_GREY_LEVEL = 1.0  # of 255: the codelab uses 128 and 128 for networks trained with 127.5 and 127.5


@dataclass(frozen=True)
class Overrides:
    """Values that the user typed about a classifier; None or "" means not given, and 0 is an ordinary value.

    A value that contradicts what the model states is refused, unless `insist` is set.
    """

    labels: str = ""
    input_height: int | None = None
    input_width: int | None = None
    input_mean: float | tuple[float, ...] | None = None  # one number, or one per channel
    input_std: float | tuple[float, ...] | None = None
    input_layer: str = ""
    output_layer: str = ""
    input_order: str = ""  # "rgb", "bgr" or "grey"
    insist: bool = False


@dataclass
class _Comparison:
    """The result of comparing typed values with the file's."""

    changes: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    against: list[str] = field(default_factory=list)  # contradictions of what the file states
    notes: list[str] = field(default_factory=list)  # further notes for the user


def typed_fields(typed: Overrides) -> dict[str, Any]:
    """Returns field -> the typed value, for each field of metadata that a flag can replace; labels are read later.

    >>> typed_fields(Overrides(input_std=255))
    {'std': (255.0,)}
    """
    found = {
        "labels": () if typed.labels else None, "height_px": typed.input_height, "width_px": typed.input_width,
        "mean": _as_numbers(typed.input_mean), "std": _as_numbers(typed.input_std),
        "order": _ORDERS[typed.input_order.lower()] if typed.input_order else None,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def _as_numbers(value: float | tuple[float, ...] | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    return tuple(float(each) for each in value) if isinstance(value, (tuple, list)) else (float(value),)


def as_typed(metadata: Metadata, typed: Overrides, source: ModelFile) -> Metadata:
    """Returns the metadata with the typed values in it.

    Args:
      metadata: what the file states, or what was concluded from it.
      typed: the values that the user typed.
      source: the file, for the error and for the names of its tensors.

    Raises:
      UserError: a typed value contradicts what the file states, and `insist` is not set; the message names both values.
    """
    if typed == dataclasses.replace(typed, **_NOTHING):
        return metadata
    held = _Comparison()
    _size(metadata, typed, held)
    _range(metadata, typed, held, source.path)
    _order(metadata, typed, held)
    for name in ("input_layer", "output_layer"):
        _layer(metadata, name, getattr(typed, name), held, source)
    if typed.labels:
        _labels(metadata, typed, held)
    if held.against and not typed.insist:
        raise UserError(f"{'; '.join(held.against)}; leave the flag out, or add --insist to use it nevertheless")
    notes = [*(f"--insist: {text}" for text in held.against), *held.notes]
    facts = {**metadata.facts, **held.facts, **{f"note typed {number}": note for number, note in enumerate(notes, 1)}}
    return dataclasses.replace(metadata, **held.changes, facts=facts)


_NOTHING: dict[str, Any] = {
    "labels": "", "input_height": None, "input_width": None, "input_mean": None, "input_std": None, "input_layer": "",
    "output_layer": "", "input_order": "",
}  # fmt: skip


def _size(metadata: Metadata, typed: Overrides, held: _Comparison) -> None:
    for name, own, value in (
        ("height", metadata.height_px, typed.input_height),
        ("width", metadata.width_px, typed.input_width),
    ):
        if value is None or value == own:
            continue
        if metadata.dtype == "string":
            held.notes.append(f"--input_{name}={value} does not apply: the graph decodes the photo's file itself")
            continue
        if "size" in metadata.stated:
            held.against.append(
                f"--input_{name}={value} contradicts the model's own {own} ({_origin(metadata, 'size')})"
            )
        held.changes[f"{name}_px"] = int(value)
        held.facts["size"] = (
            f"--input_height, --input_width; else {metadata.height_px} x {metadata.width_px}: {metadata.facts['size']}"
        )


def _range(metadata: Metadata, typed: Overrides, held: _Comparison, path: Path) -> None:
    """Compares mean and standard deviation together, because both define how pixels are scaled."""
    if typed.input_mean is None and typed.input_std is None:
        return
    if metadata.dtype in RAW_DTYPES or metadata.dtype == "string":
        held.facts["range"] = (
            f"{metadata.dtype} input: pixels are not scaled, so --input_mean and --input_std do not apply"
            if metadata.dtype != "string"
            else f"{metadata.facts['range']}; --input_mean and --input_std do not apply"
        )
        if not metadata.inspected:
            held.notes.append(held.facts["range"])
        return
    mean = metadata.mean if typed.input_mean is None else _numbers("input_mean", typed.input_mean, metadata, path)
    std = metadata.std if typed.input_std is None else _numbers("input_std", typed.input_std, metadata, path)
    if "range" in metadata.stated and _same_range((mean, std), (metadata.mean, metadata.std)):
        return  # the file's own numbers are exact
    if "range" in metadata.stated:
        held.against.append(
            f"--input_mean={_listed(mean)} --input_std={_listed(std)} contradict the model's own {_listed(metadata.mean)} "
            f"and {_listed(metadata.std)}, which are {range_text(metadata)} ({_origin(metadata, 'range')})"
        )
    held.changes["mean"], held.changes["std"] = mean, std
    same = _same_range((mean, std), (metadata.mean, metadata.std))
    held.facts["range"] = "--input_mean, --input_std" + (
        "" if same else f"; else {range_text(metadata)}: {metadata.facts['range']}"
    )


def _numbers(name: str, value: float | tuple[float, ...], metadata: Metadata, path: Path) -> tuple[float, ...]:
    """Returns the typed value as one number or one per channel.

    Raises:
      UserError: the number of values differs from the number of channels.
    """
    numbers = tuple(float(each) for each in value) if isinstance(value, (tuple, list)) else (float(value),)
    if name == "input_std" and 0 in numbers:
        raise UserError(
            f"--{name}={_listed(numbers)} would divide by 0; give the classifier's own value, or leave the flag out"
        )
    if len(set(numbers)) == 1:
        return numbers[:1]
    channels = 1 if metadata.order == "grey" else 3
    if len(numbers) != channels:
        raise UserError(
            f"--{name}={_listed(numbers)} has {len(numbers)} numbers, but the input of {path} has "
            f"{channels} {'channel' if channels == 1 else 'channels'}; give one number, or one per channel"
        )
    return numbers


def _same_range(one: tuple[tuple[float, ...], ...], other: tuple[tuple[float, ...], ...]) -> bool:
    """Returns whether two scalings give the same values for black and white, within one grey level.

    >>> _same_range(((128,), (128,)), ((127.5,), (127.5,))), _same_range(((0,), (255,)), ((127.5,), (127.5,)))
    (True, False)
    """
    ends = np.array([[0.0], [255.0]])
    first, second = ((ends - np.asarray(mean)) / np.asarray(std) for mean, std in (one, other))
    return bool(np.all(np.abs(first - second) * np.asarray(other[1]) <= _GREY_LEVEL))


def _order(metadata: Metadata, typed: Overrides, held: _Comparison) -> None:
    if not typed.input_order:
        return
    wanted = _ORDERS[typed.input_order.lower()]
    if wanted != metadata.order and (
        "order" in metadata.stated or "grey" in (wanted, metadata.order)
    ):  # grey has another number of channels
        held.against.append(
            f"--input_order={wanted.lower()} contradicts the model's own {metadata.order.lower()} ({_origin(metadata, 'order')})"
        )
    held.changes["order"] = wanted
    held.facts["order"] = "--input_order"


def _layer(metadata: Metadata, name: str, typed: str, held: _Comparison, source: ModelFile) -> None:
    """Compares a typed layer with the one that the file states; in other files it was already looked up by its name."""
    if not typed or metadata.inspected:
        return
    fact = name.split("_", maxsplit=1)[0]
    own = getattr(metadata, name)
    if _bare(typed) in (_bare(own), f"serving_default_{_bare(own)}") or _bare(typed) in _tensors(source, fact):
        return
    held.against.append(
        f"--{name}={typed} is not in {source.path} as its {fact}; it has {own or 'only one'} ({_origin(metadata, fact)})"
    )
    held.changes[name], held.facts[fact] = typed, f"--{name}"


def _bare(layer: str) -> str:
    """Removes the prefix and suffix of the original script's names: import/input:0 becomes input."""
    return layer.removeprefix("import/").split(":")[0]


def _tensors(source: ModelFile, fact: str) -> list[str]:
    """Lists the names of a file's inputs or outputs, as other programs show them."""
    return [_bare(name) for name in kind_named(source.kind).reader.names(source, fact)]


def _labels(metadata: Metadata, typed: Overrides, held: _Comparison) -> None:
    """Compares the typed labels with those of the file."""
    path = Path(typed.labels)
    found = labels_file(path)
    said = "--labels" if found.form == "one name per line" else f"--labels ({found.form})"
    held.notes += [f"{path}: {note}" for note in found.notes]
    if "labels" not in metadata.stated:
        held.changes["labels"], held.facts["labels"] = chosen(found, metadata.outputs), said
        return
    own = fitted(metadata.labels, metadata.outputs) if metadata.outputs else metadata.labels
    names = _reading_like(own, found)
    if _same(names, own):
        held.facts["labels"] = f"{metadata.facts['labels']}; {said} agrees"
        return
    held.changes["labels"], held.facts["labels"] = names, said
    if len(names) == len(own):  # a wrong number of labels is reported later, whether or not the user insists
        held.against.append(
            f"--labels={path} contradicts the model's own labels ({_origin(metadata, 'labels')}): {_difference(names, own)}"
        )


def _reading_like(own: tuple[str, ...], found: Labels) -> tuple[str, ...]:
    """Chooses the reading of a labels file that equals the model's labels; else the most likely, with numbers if the model's labels have them."""
    for names in found.readings:
        if _same(fitted(names, len(own)), own):
            return fitted(names, len(own))
    if found.plain and without_index(own) != own:
        return tuple(line.strip() for line in found.plain if line.strip())
    return fitted(chosen(found, len(own)), len(own))


def _same(names: tuple[str, ...], own: tuple[str, ...]) -> bool:
    """Returns whether two lists of labels are equal in Unicode's normal form (a Mac stores é as e and an accent)."""
    return [_letters(name) for name in names] == [_letters(name) for name in own]


def _letters(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())


def _difference(names: tuple[str, ...], own: tuple[str, ...]) -> str:
    """Describes how two lists of the same length differ."""
    at = next(i for i, pair in enumerate(zip(names, own, strict=True)) if _letters(pair[0]) != _letters(pair[1]))
    if sorted(map(_letters, names)) == sorted(map(_letters, own)):
        return (
            f"the same names in another order, output {at} is {own[at]!r} in the model and {names[at]!r} in this file"
        )
    return f"output {at} is {own[at]!r} in the model and {names[at]!r} in this file"


def _origin(metadata: Metadata, fact: str) -> str:
    """Names the origin of a fact for an error message."""
    return metadata.facts.get(fact, "its shape") if metadata.inspected else "its metadata"


def _listed(numbers: tuple[float, ...]) -> str:
    return numbers_text(numbers).strip("[]").replace(" ", ",")
