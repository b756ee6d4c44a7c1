"""Loads a `.pb`, SavedModel or Keras file once as a flat GraphDef, from which it is both examined and run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from label_image.detectors.evidence import Evidence
from label_image.detectors.graph import evidence
from label_image.detectors.net import Net
from label_image.detectors.rewrite import for_inference
from label_image.model_file import ModelFile
from label_image.quiet import INSTEAD, check_tensorflow


@dataclass(frozen=True)
class Opened:
    """A classifier as one graph."""

    net: Net
    what: str
    input_layer: str = ""  # if the format names it
    output_layer: str = ""
    why: str = ""  # where the names come from
    _ready: dict[tuple[str, str], tuple[Any, tuple[str, ...]]] = field(default_factory=dict)

    def evidence(self, path: Path, input_layer: str, output_layer: str) -> Evidence:
        """Collects the evidence; layers that the user named take precedence over those that the format names."""
        why = "--input_layer, --output_layer" if input_layer or output_layer else self.why
        ends = (input_layer or self.input_layer, output_layer or self.output_layer)
        found = evidence(self.net, path, self.what, ends, why)
        return replace(found, notes=self.for_inference(found.input_layer, found.output_layer)[1])

    def for_inference(self, input_layer: str, output_layer: str) -> tuple[Any, tuple[str, ...]]:
        """The graph prepared for inference and a list of what was repaired; computed once."""
        ends = (input_layer, output_layer)
        if ends not in self._ready:
            self._ready[ends] = for_inference(self.net, *ends)
        return self._ready[ends]


def opened(source: ModelFile) -> Opened:
    """The graph of a file, parsed at the first call."""
    return source.once("graph", lambda: _opened(source.path, source.kind))


def _opened(path: Path, kind: str) -> Opened:
    check_tensorflow(str(path), INSTEAD)
    if kind == "graph_def":
        from label_image.runners.tensorflow import read_graph_def

        return Opened(Net(read_graph_def(path)), "a frozen TensorFlow graph")
    if kind == "saved_model":
        from label_image.detectors.saved_model import frozen_saved_model

        return _named(frozen_saved_model(path))
    from label_image.detectors.keras_file import frozen_keras

    return _named(frozen_keras(path))


def _named(found: tuple[Any, str, str, str, str]) -> Opened:
    graph_def, what, input_layer, output_layer, why = found
    return Opened(Net(graph_def), what, input_layer, output_layer, why)
