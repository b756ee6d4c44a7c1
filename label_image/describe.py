"""What a classifier says of itself, in words: one line of what was taken and why, or all of it, aligned, for `--describe`."""

from __future__ import annotations

from pathlib import Path

from label_image.card import GUESS, Card
from label_image.screen import clean

_RANGES: dict[tuple[tuple[float, ...], ...], str] = {
    ((0.0,), (1.0,)): "0..255",
    ((0.0,), (255.0,)): "0..1",
    ((127.5,), (127.5,)): "-1..1",
}


def describe(card: Card, path: Path) -> str:
    """The card of any graph as lines: what it takes and gives, and where each fact comes from."""
    facts = dict(card.facts)
    rows = [
        ("graph", str(path), card.what or "exported by retrain, with a card inside"),
        ("takes", _size(card), facts.get("size", "")),
        ("range", range_text(card), facts.get("range", "")),
        ("order", _order(card), facts.get("order", facts.get("size", ""))),
        ("input", card.input_layer or "its only one", facts.get("input", "")),
        ("output", card.output_layer or "its only one", facts.get("output", "")),
        ("gives", _gives(card), ""),
        ("labels", _labels(card), facts.get("labels", "")),
    ]
    rows += [(name.split()[0], text, "") for name, text in facts.items() if name.startswith("note")]
    rows += [("training", f"{key} {value}", "") for key, value in card.training.items()]
    width = min(max(len(value) for _, value, _ in rows), 44)
    return "\n".join(clean(f"{name:<9} {value:<{width}}  {why}".rstrip()) for name, value, why in rows)


def one_line(card: Card) -> str:
    """What was taken of a graph without our metadata, and why, guesses first; of others what has to be said of what was typed."""
    facts = card.facts
    if not card.inspected:
        return "; ".join(text for name, text in facts.items() if name.startswith("note"))
    told = [("size", _size(card)), ("range", range_text(card))]
    guesses = [f"{value} is {facts[name]}" for name, value in told if facts[name].startswith(GUESS)]
    parts = [f"{value} ({facts[name]})" for name, value in told if not facts[name].startswith(GUESS)]
    parts += [f"input {card.input_layer}, output {card.output_layer}", f"labels: {facts['labels']}"]
    parts += [text for name, text in facts.items() if name.startswith("note")]
    begin = f"GUESSED: {'; '.join(guesses)}. " if guesses else ""
    return f"{begin}{'This is ' if begin else ''}{card.what} without our metadata; taken: {'; '.join(part for part in parts if part)}"


def range_text(card: Card) -> str:
    """How pixels become the input.

    >>> range_text(Card((), 8, 8, (127.5,), (127.5,)))
    '-1..1'
    """
    if card.dtype == "string":
        return "the photo's file"
    if card.dtype != "float32":
        return f"{card.dtype}: pixels as they are" if card.dtype != "int8" else "int8: pixel - 128"
    known = _RANGES.get((card.mean, card.std))
    return known or f"(pixel - {numbers_text(card.mean)}) / {numbers_text(card.std)}"


def _size(card: Card) -> str:
    if card.dtype == "string":
        return "any size"
    crop = f", the middle of a square of {card.crop_px}" if card.crop_px else ""
    return f"{card.height_px} x {card.width_px} {card.order}{crop}"


def _order(card: Card) -> str:
    axes = {"NHWC": "channels last", "NCHW": "channels first", "NHW": "no channel axis", "flat": "one long row"}
    return f"{card.order}, {axes[card.layout]}"


def _gives(card: Card) -> str:
    count = card.outputs or len(card.labels)
    return f"{count} numbers: {card.output}" if count else card.output


def _labels(card: Card) -> str:
    named = ", ".join(card.labels[:3])
    more = f", ... {len(card.labels)} in all" if len(card.labels) > 3 else ""
    return named + more or "none"


def numbers_text(values: tuple[float, ...]) -> str:
    """One number, or those of the channels.

    >>> numbers_text((127.5,)), numbers_text((1.0, 2.0, 3.5))
    ('127.5', '[1 2 3.5]')
    """
    return f"{values[0]:g}" if len(values) == 1 else "[" + " ".join(f"{value:g}" for value in values) + "]"
