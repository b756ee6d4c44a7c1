"""Reads a frozen graph (`.pb`) of TensorFlow; runs on TensorFlow."""

from __future__ import annotations

from label_image import model_metadata
from label_image.detectors.opened import opened
from label_image.model_file import ModelFile
from label_image.model_kinds import graphs
from label_image.model_kinds.reader import ModelReader, Runner, Typed
from label_image.model_metadata import METADATA_KEY, Metadata
from label_image.runners.tensorflow import GraphRunner


def open_runner(source: ModelFile, metadata: Metadata) -> Runner:
    """Makes the runner; all workers share it, because TensorFlow uses all cores for one network."""
    if metadata.inspected:
        return graphs.foreign_runner(source, metadata)
    ends = (metadata.input_layer, metadata.output_layer)
    return GraphRunner(source.path, *ends, graph_def=opened(source).net.graph_def)


def metadata_in(source: ModelFile, typed: Typed) -> Metadata | None:
    """Reads the metadata, which is stored in a constant that no operation reads."""
    node = opened(source).net.nodes.get(METADATA_KEY)
    if node is None:
        return None
    return model_metadata.from_json(node.attr["value"].tensor.string_val[0], str(source.path), typed)


READER = ModelReader(open_runner, metadata_in, graphs.evidence, feature_map=graphs.feature_map)
