"""Reads a Keras file (`.keras`, `.h5`), which has no metadata of ours; runs on TensorFlow."""

from __future__ import annotations

from label_image.model_kinds import graphs
from label_image.model_kinds.reader import ModelReader

READER = ModelReader(graphs.foreign_runner, evidence=graphs.evidence, feature_map=graphs.feature_map)
