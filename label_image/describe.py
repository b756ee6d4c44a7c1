"""Describes a classifier's metadata in words: in one line, or in full for `--describe`."""

from __future__ import annotations

from pathlib import Path

from label_image.model_metadata import GUESS, Metadata
from label_image.terminal import clean

_RANGES: dict[tuple[tuple[float, ...], ...], str] = {
    ((0.0,), (1.0,)): "0..255",
    ((0.0,), (255.0,)): "0..1",
    ((127.5,), (127.5,)): "-1..1",
}


def describe(metadata: Metadata, path: Path) -> str:
    """Describes the inputs and outputs of a classifier in lines, and where each fact comes from."""
    facts = dict(metadata.facts)
    rows = [
        ("graph", str(path), metadata.what or "exported by retrain, with metadata inside"),
        ("takes", _size(metadata), facts.get("size", "")),
        ("range", range_text(metadata), facts.get("range", "")),
        ("order", _order(metadata), facts.get("order", facts.get("size", ""))),
        ("input", metadata.input_layer or "its only one", facts.get("input", "")),
        ("output", metadata.output_layer or "its only one", facts.get("output", "")),
        ("gives", _gives(metadata), ""),
        ("labels", _labels(metadata), facts.get("labels", "")),
    ]
    rows += [(name.split()[0], text, "") for name, text in facts.items() if name.startswith("note")]
    rows += [("training", f"{key} {value}", "") for key, value in metadata.training.items()]
    width = min(max(len(value) for _, value, _ in rows), 44)
    return "\n".join(clean(f"{name:<9} {value:<{width}}  {why}".rstrip()) for name, value, why in rows)


def one_line(metadata: Metadata) -> str:
    """Describes in one line what is assumed about a file without metadata and why, guesses first; for other files, only notes about what the user typed."""
    facts = metadata.facts
    if not metadata.inspected:
        return "; ".join(text for name, text in facts.items() if name.startswith("note"))
    told = [("size", _size(metadata)), ("range", range_text(metadata))]
    guesses = [f"{value} is {facts[name]}" for name, value in told if facts[name].startswith(GUESS)]
    parts = [f"{value} ({facts[name]})" for name, value in told if not facts[name].startswith(GUESS)]
    parts += [f"input {metadata.input_layer}, output {metadata.output_layer}", f"labels: {facts['labels']}"]
    parts += [text for name, text in facts.items() if name.startswith("note")]
    begin = f"GUESSED: {'; '.join(guesses)}. " if guesses else ""
    return f"{begin}{'This is ' if begin else ''}{metadata.what} that has no metadata of ours; assuming: {'; '.join(part for part in parts if part)}"


def range_text(metadata: Metadata) -> str:
    """Describes the range of the network's input.

    >>> range_text(Metadata((), 8, 8, (127.5,), (127.5,)))
    '-1..1'
    """
    if metadata.dtype == "string":
        return "the photo's file"
    if metadata.dtype != "float32":
        return f"{metadata.dtype}: pixels as they are" if metadata.dtype != "int8" else "int8: pixel - 128"
    known = _RANGES.get((metadata.mean, metadata.std))
    return known or f"(pixel - {numbers_text(metadata.mean)}) / {numbers_text(metadata.std)}"


def _size(metadata: Metadata) -> str:
    if metadata.dtype == "string":
        return "any size"
    crop = f", the middle of a square of {metadata.crop_px}" if metadata.crop_px else ""
    return f"{metadata.height_px} x {metadata.width_px} {metadata.order}{crop}"


def _order(metadata: Metadata) -> str:
    axes = {"NHWC": "channels last", "NCHW": "channels first", "NHW": "no channel axis", "flat": "one long row"}
    return f"{metadata.order}, {axes[metadata.layout]}"


def _gives(metadata: Metadata) -> str:
    count = metadata.outputs or len(metadata.labels)
    return f"{count} numbers: {metadata.output}" if count else metadata.output


def _labels(metadata: Metadata) -> str:
    named = ", ".join(metadata.labels[:3])
    more = f", ... {len(metadata.labels)} in all" if len(metadata.labels) > 3 else ""
    return named + more or "none"


def numbers_text(values: tuple[float, ...]) -> str:
    """Formats one number, or the numbers of all channels.

    >>> numbers_text((127.5,)), numbers_text((1.0, 2.0, 3.5))
    ('127.5', '[1 2 3.5]')
    """
    return f"{values[0]:g}" if len(values) == 1 else "[" + " ".join(f"{value:g}" for value in values) + "]"
