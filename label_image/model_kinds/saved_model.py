"""Reads a SavedModel folder; runs on TensorFlow."""

from __future__ import annotations

from label_image import model_metadata
from label_image.model_file import ModelFile
from label_image.model_kinds import graphs
from label_image.model_kinds.reader import ModelReader, Runner, Typed
from label_image.model_metadata import METADATA_KEY, Metadata
from label_image.runners.saved_model import SavedModelRunner


def open_runner(source: ModelFile, metadata: Metadata) -> Runner:
    """Makes the runner, which all workers share."""
    return graphs.foreign_runner(source, metadata) if metadata.inspected else SavedModelRunner(source.path)


def metadata_in(source: ModelFile, typed: Typed) -> Metadata | None:
    """Reads the metadata in the folder of the graph."""
    inside = source.path / "assets.extra" / f"{METADATA_KEY}.json"
    return model_metadata.from_json(inside.read_bytes(), str(inside), typed) if inside.is_file() else None


READER = ModelReader(open_runner, metadata_in, graphs.evidence, feature_map=graphs.feature_map)
