"""A `.pb`, SavedModel or Keras file in, one flat GraphDef with its ends out: loaded once, examined and run from the same copy."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from label_image.detectors.evidence import Evidence
from label_image.detectors.graph import evidence
from label_image.detectors.net import Net
from label_image.detectors.rewrite import for_labelling
from label_image.quiet import INSTEAD, check_tensorflow
from label_image.source import Source


@dataclass(frozen=True)
class Opened:
    """A classifier as one graph."""

    net: Net
    what: str
    input_layer: str = ""  # where the format names it
    output_layer: str = ""
    why: str = ""  # who names them
    _ready: dict[tuple[str, str], tuple[Any, tuple[str, ...]]] = field(default_factory=dict)

    def evidence(self, path: Path, input_layer: str, output_layer: str) -> Evidence:
        """What it shows; what the user typed comes before what the format names."""
        why = "--input_layer, --output_layer" if input_layer or output_layer else self.why
        ends = (input_layer or self.input_layer, output_layer or self.output_layer)
        found = evidence(self.net, path, self.what, ends, why)
        return replace(found, notes=self.for_labelling(found.input_layer, found.output_layer)[1])

    def for_labelling(self, input_layer: str, output_layer: str) -> tuple[Any, tuple[str, ...]]:
        """The graph rewritten for labelling, and what was mended; made once."""
        ends = (input_layer, output_layer)
        if ends not in self._ready:
            self._ready[ends] = for_labelling(self.net, *ends)
        return self._ready[ends]


def opened(source: Source) -> Opened:
    """The graph of a file, parsed when it is asked for first."""
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
