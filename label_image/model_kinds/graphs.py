"""What the kinds that TensorFlow runs have in common: the graph is examined, and rewritten for labelling where it is foreign."""

from __future__ import annotations

from label_image.detectors.evidence import Evidence
from label_image.detectors.net import Net
from label_image.detectors.opened import opened
from label_image.model_file import ModelFile
from label_image.model_kinds.reader import FeatureMap
from label_image.model_metadata import Metadata
from label_image.runners.frozen import FrozenRunner


def foreign_runner(source: ModelFile, metadata: Metadata) -> FrozenRunner:
    """Makes the runner of a graph that was examined, because it has no metadata of ours."""
    return FrozenRunner(source, metadata.input_layer, metadata.output_layer)


def evidence(source: ModelFile, input_layer: str, output_layer: str) -> Evidence:
    """What a graph without metadata shows of itself."""
    return opened(source).evidence(source.path, input_layer, output_layer)


def feature_map(source: ModelFile, _: str) -> FeatureMap:
    """The end of the network from its last feature map on."""
    from label_image.detectors.pooled import graph_end

    ends = _ends(source)
    end = graph_end(source.path, Net(opened(source).for_inference(*ends)[0]), ends[1].split(":")[0])
    name = str(end.feature_map)
    return FeatureMap(lambda: FrozenRunner(source, ends[0], name).values, end.weights, end.biases)


def _ends(source: ModelFile) -> tuple[str, str]:
    """The operations of a graph that take the pixels and give the scores; of a headless one, the features."""
    file = opened(source)
    if file.input_layer and file.output_layer:
        return file.input_layer, file.output_layer
    fed = [name for name in file.net.nodes if file.net.op(name) == "Placeholder"]
    last = [name for name in file.net.below(fed[0]) if name not in file.net.readers] if len(fed) == 1 else []
    if len(last) == 1:  # ours, with a head and without
        return fed[0], last[0]
    found = file.evidence(source.path, "", "")
    return found.input_layer, found.output_layer
