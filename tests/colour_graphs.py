"""Classifiers of three colours in the forms of many makers: the nearest colour by the photo's mean, with scores worked out here.

`expected` is the sum by hand: the softmax of 2 x·c - |c|², x the mean colour as the network sees it. A wrong size does not
show in it; a wrong range, order or axis does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from retrain.formats.graph_def import constant, new_graph, operation, placeholder
from tests.conftest import COLOURS

NAMES = tuple(COLOURS)
SIDE = 16


def colours(mean: float = 127.5, std: float = 127.5) -> np.ndarray:
    """[3 colours, 3 channels] as a network sees them."""
    return (np.array(list(COLOURS.values()), np.float32) - mean) / std


def weights(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights [channels, classes] and biases of the nearest colour; logits no larger than 4, so that no score is 1."""
    gain = np.float32(4 / np.abs(2 * seen @ seen.T).max())
    return (2 * seen.T * gain).astype(np.float32), (-(seen**2).sum(1) * gain).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def expected(pixels: np.ndarray, mean: float = 127.5, std: float = 127.5) -> np.ndarray:
    """The right scores for uint8 [h, w, 3]."""
    kernel, bias = weights(colours(mean, std))
    return softmax(((pixels.reshape(-1, 3).mean(0) - mean) / std) @ kernel + bias)


def head(graph: Any, source: str, *, mean: float = 127.5, std: float = 127.5, window: int = SIDE) -> str:
    """Mean colour and logits behind `source`; returns the logits' name."""
    kernel, bias = weights(colours(mean, std))
    pooled = operation(
        graph, "AvgPool", "pool", [source], ksize=[1, window, window, 1], strides=[1, 1, 1, 1], padding="VALID"
    )
    shape = constant(graph, "flat/shape", np.array([-1, 3], np.int32))
    flat = operation(graph, "Reshape", "flat", [pooled, shape])
    product = operation(graph, "MatMul", "product", [flat, constant(graph, "kernel", kernel)])
    return operation(graph, "Add", "logits", [product, constant(graph, "bias", bias)])


def graph_of(
    path: Path,
    middle: Callable[[Any, str], str] = lambda _, source: source,
    end: Callable[[Any, str], str] = lambda graph, logits: operation(graph, "Softmax", "final_result", [logits]),
    *,
    name: str = "input",
    shape: tuple[int, ...] | None = (-1, SIDE, SIDE, 3),
    mean: float = 127.5,
    std: float = 127.5,
) -> Path:
    """A frozen graph: placeholder, `middle` (what a test plants), mean colour, logits, `end`; a labels.txt beside it."""
    graph = new_graph()
    source = placeholder(graph, name, shape or ())
    end(graph, head(graph, middle(graph, source), mean=mean, std=std))
    return save(graph, path)


def save(graph: Any, path: Path, labels: tuple[str, ...] = NAMES) -> Path:
    """Writes a graph and its labels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(graph.SerializeToString())
    (path.parent / "labels.txt").write_text("".join(f"{label}\n" for label in labels))
    return path
