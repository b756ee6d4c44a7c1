"""Defines the schema of run.json, and validates a record against it.

A shape is a type (`str`), a tuple of alternative types or shapes, a list `[shape]` of any length, or a dict
{"name": shape}. In a dict, "name?" is optional and "*" stands for any other name. Records of older versions lack some
names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Shape = Any

_NUMBER = (int, float)
_SHARE = (int, float, None)  # a fraction, 0..1, or null if there is none
_DIGEST = (str, None)
_NEAR = {"path": str, "sha256?": _DIGEST, "label?": str, "similarity?": _NUMBER, "*": object}
_PHOTO = {
    "path": str, "sha256?": _DIGEST, "label": str, "predicted": str, "score": _NUMBER, "scores?": [_NUMBER],
    "nearest?": [_NEAR], "*": object,
}  # fmt: skip
_SUSPECT = {"path": str, "label": str, "suggested": str, "quality": _NUMBER, "list": str, "*": object}
_NEAR_DUPLICATES = {
    "first": str, "second": str, "first_list": str, "second_list": str, "first_label": str, "second_label": str,
    "exact": bool, "similarity": _NUMBER, "*": object,
}  # fmt: skip
_COLUMNS = ("train_accuracy", "train_loss", "validation_accuracy", "validation_loss")
_CURVE = {
    "steps": [int],
    **{name: [_SHARE] for name in _COLUMNS},
    "judged_loss?": [_SHARE],
    "judged_photos?": int,
    "share_losses?": [[_SHARE]],
    "kept_step?": (int, None),
    "stopped_early?": bool,
    "share?": _SHARE,
    "temperature?": _SHARE,
    "weight_decay?": _SHARE,
    "*": object,
}
_POINT = {"photos": int, "accuracy": _NUMBER, "per_class?": {"*": _SHARE}, "*": object}
_AUDIT = {
    "suspects?": [_SUSPECT], "duplicates?": [_NEAR_DUPLICATES], "leaks?": int, "accuracy_without_leaks?": _SHARE,
    "tested_without_leaks?": int, "learning_curve?": [_POINT], "advice?": [str], "seconds?": _NUMBER, "missing?": str,
    "*": object,
}  # fmt: skip
_CLASS = {
    "label": str, "precision": _SHARE, "recall": _SHARE, "support": int, "given?": int, "precision_interval?": [_NUMBER],
    "recall_interval?": [_NUMBER], "*": object,
}  # fmt: skip
_METRICS = {
    "right": int,
    "mistakes": int,
    "per_class": [_CLASS],
    "confusion": [[int]],
    "calibration_error": _SHARE,
    "reliability": [{"photos": int, "*": _SHARE}],
    "*": object,
}
_EXPORT = {
    "kind": str, "path": str, "kept?": (str, None), "asked?": (str, None), "bytes?": int, "sha256?": _DIGEST, "how?": str, "quantize?": str,
    "largest_difference?": _SHARE, "agreement?": _SHARE, "accuracy?": _SHARE, "interval?": ([_NUMBER], None),
    "images?": int, "ms_image?": _SHARE, "*": object,
}  # fmt: skip
_BACKBONE = {
    "name?": str, "digest?": str, "source?": str, "licence?": str, "graph?": str, "height_px?": int, "width_px?": int,
    "mean?": [_NUMBER], "std?": [_NUMBER], "*": object,
}  # fmt: skip
RECORD = {
    "format?": int,
    "finished?": str,
    "plan?": {"image_dir?": str, "how_many_training_steps?": int, "*": (str, int, float, bool, None)},
    "versions?": {"*": str},
    "machine?": {"*": (str, int, None)},
    "backbone?": _BACKBONE,
    "runtime?": {"name?": str, "device?": str, "why?": str, "peak_memory_bytes?": (int, None), "*": object},
    "digests?": {"*": (str, None)},
    "labels?": [str],
    "counts?": {"*": {"*": int}},
    "skipped?": [{"path": str, "reason": str, "detail?": str, "*": object}],
    "notes?": [str],
    "failed?": {"stage": str, "what": str, "*": object},
    "extraction?": {
        "computed?": int, "seconds?": _NUMBER, "first?": int, "first_seconds?": _NUMBER,
        "*": (int, float, str, bool, None),
    },
    "seconds?": {"*": _NUMBER},
    "images_s?": {"*": _NUMBER},
    "accuracy?": _SHARE,
    "accuracy_of_views?": _SHARE,
    "tested?": int,
    "recall_at_2?": _SHARE,
    "interval_95?": [_NUMBER],
    "metrics?": _METRICS,
    "kept_step?": (int, None),
    "curve?": (_CURVE, None),
    "audit?": (_AUDIT, None),
    "test_photos?": [_PHOTO],
    "exports?": [_EXPORT],
    "*": object,
}  # fmt: skip
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", None: "null"}


def fault(record: Mapping[str, Any]) -> str:
    """Describes the first error in a record in words; returns "" if it is valid.

    >>> fault({"format": 2, "plan": {}, "tested": "many"})
    "'tested' must be a whole number, found 'many'"
    """
    try:
        return next(_misfits(record, RECORD, ""), "") or next(_contradictions(record), "")
    except RecursionError:
        return "it is nested too deeply"


def _misfits(value: Any, shape: Shape, place: str) -> Iterator[str]:
    """Yields a message for each value that does not match its shape."""
    if isinstance(shape, tuple):
        fits = [one for one in shape if _kind_fits(value, one)]
        if fits:
            yield from _misfits(value, fits[0], place)
            return
    elif _kind_fits(value, shape):
        if isinstance(shape, dict):
            yield from _dict_misfits(value, shape, place)
        elif isinstance(shape, list):
            for number, item in enumerate(value):
                yield from _misfits(item, shape[0], f"{place}[{number}]")
        return
    yield f"{place!r} must be {_described(shape)}, found {_shown(value)}"


def _dict_misfits(value: Mapping[str, Any], shape: Mapping[str, Shape], place: str) -> Iterator[str]:
    for name, inner in shape.items():
        key = name.removesuffix("?")
        where = f"{place}.{key}" if place else key
        if key in value:
            yield from _misfits(value[key], inner, where)
        elif name == key != "*":
            yield f"{where!r} is missing"
    known = {name.removesuffix("?") for name in shape}
    for key, item in value.items():
        if key not in known:
            yield from _misfits(item, shape.get("*", object), f"{place}.{key}" if place else key)


def _kind_fits(value: Any, shape: Shape) -> bool:
    if shape is object:
        return True
    if shape is None:
        return value is None
    if isinstance(shape, (dict, list)):
        return isinstance(value, type(shape))
    if shape is float:
        return isinstance(value, float) and math.isfinite(value)
    if shape is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, shape)


def _contradictions(record: Mapping[str, Any]) -> Iterator[str]:
    """Yields a message for each value that has the right type but contradicts other values."""
    yield from _unlabelled(record)
    yield from _uneven(record)
    yield from _out_of_bounds(record)


def _unlabelled(record: Mapping[str, Any]) -> Iterator[str]:
    """Yields a message for each value that does not match the labels."""
    labels = record.get("labels") or []
    tests = record.get("test_photos") or []
    for photo in tests:
        for key in ("label", "predicted"):
            if photo[key] not in labels:
                yield f"a test photo's {key} is {_shown(photo[key])}, which is not one of the labels"
        if photo.get("scores") and len(photo["scores"]) != len(labels):
            yield f"a test photo has {len(photo['scores'])} scores, but there are {len(labels)} labels"
    for table, width in _tables(record, len(labels)):
        if len(table) != width or any(len(row) != width for row in table if isinstance(row, list)):
            yield "'metrics' and 'labels' have different numbers of classes"
    if "metrics" in record and any(one["label"] not in labels for one in record["metrics"]["per_class"]):
        yield "'metrics' has a class that is not one of the labels"


def _uneven(record: Mapping[str, Any]) -> Iterator[str]:
    """Yields a message for each column or pair of the wrong length."""
    curve = record.get("curve") or {}
    columns = [*(curve[name] for name in _COLUMNS), curve.get("judged_loss") or curve["steps"]] if curve else []
    if any(len(column) != len(curve["steps"]) for column in columns):
        yield "the columns of 'curve' differ in length"
    if any(len(point) != 2 for point in curve.get("share_losses") or ()):
        yield "'curve.share_losses' must be pairs of numbers"
    if "interval_95" in record and len(record["interval_95"]) != 2:
        yield "'interval_95' must be two numbers"


def _tables(record: Mapping[str, Any], classes: int) -> Iterator[tuple[list[Any], int]]:
    metrics = record.get("metrics")
    if metrics:
        yield metrics["confusion"], classes
        yield metrics["per_class"], classes


def _out_of_bounds(record: Mapping[str, Any]) -> Iterator[str]:
    backbone = record.get("backbone") or {}
    for key in ("mean", "std"):
        if key in backbone and len(backbone[key]) not in (1, 3):
            yield f"'backbone.{key}' must be one number or three"
    for key in ("height_px", "width_px"):
        if key in backbone and not 0 < backbone[key] <= 10_000:
            yield f"'backbone.{key}' must be from 1 to 10000, found {backbone[key]}"
    value_of: Callable[[str], Any] = record.get
    for key in ("accuracy", "recall_at_2"):
        value = value_of(key)
        if value is not None and not 0 <= value <= 1:
            yield f"{key!r} must be from 0 to 1, found {value:g}"


def _described(shape: Shape) -> str:
    if isinstance(shape, tuple):
        return " or ".join(dict.fromkeys(_described(one) for one in shape))
    if isinstance(shape, dict):
        return "an object"
    return "a list" if isinstance(shape, list) else _WORDS.get(shape, "something")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
