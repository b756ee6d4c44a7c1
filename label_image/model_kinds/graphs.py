"""Contains what the kinds that run on TensorFlow have in common: examines the graph, and prepares graphs of other tools for labelling."""

from __future__ import annotations

from label_image.detectors.evidence import Evidence
from label_image.detectors.net import Net
from label_image.detectors.opened import opened
from label_image.model_file import ModelFile
from label_image.model_kinds.reader import FeatureMap
from label_image.model_metadata import Metadata
from label_image.runners.frozen import FrozenRunner


def foreign_runner(source: ModelFile, metadata: Metadata) -> FrozenRunner:
    """Makes the runner of a graph without metadata of ours, which was examined."""
    return FrozenRunner(source, metadata.input_layer, metadata.output_layer)


def evidence(source: ModelFile, input_layer: str, output_layer: str) -> Evidence:
    """Collects the evidence in a graph without metadata."""
    return opened(source).evidence(source.path, input_layer, output_layer)


def feature_map(source: ModelFile, _: str) -> FeatureMap:
    """Returns the part of the network after its last feature map."""
    from label_image.detectors.pooled import graph_end

    ends = _ends(source)
    end = graph_end(source.path, Net(opened(source).for_inference(*ends)[0]), ends[1].split(":")[0])
    name = str(end.feature_map)
    return FeatureMap(lambda: FrozenRunner(source, ends[0], name).values, end.weights, end.biases)


def _ends(source: ModelFile) -> tuple[str, str]:
    """Finds the operations that take the pixels and that compute the scores, or the features if there is no head."""
    file = opened(source)
    if file.input_layer and file.output_layer:
        return file.input_layer, file.output_layer
    fed = [name for name in file.net.nodes if file.net.op(name) == "Placeholder"]
    last = [name for name in file.net.below(fed[0]) if name not in file.net.readers] if len(fed) == 1 else []
    if len(last) == 1:  # a graph of ours, with or without a head
        return fed[0], last[0]
    found = file.evidence(source.path, "", "")
    return found.input_layer, found.output_layer
