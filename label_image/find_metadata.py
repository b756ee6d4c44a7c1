"""Finds the metadata of a classifier's file: inside it, or else from what its graph shows, with the reason for each fact.

No network is run here. Values that the user typed (Overrides) take precedence; each fact says where it comes from.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from label_image.errors import RunError
from label_image.labels import fitted
from label_image.model_file import ModelFile, read
from label_image.model_kinds.reader import ModelReader
from label_image.model_kinds.table import kind_named, kind_of
from label_image.model_metadata import Metadata
from label_image.overrides import Overrides, as_typed, typed_fields

__all__ = ["Overrides", "fit_labels", "metadata_of", "open_model"]


def open_model(path: Path) -> ModelFile:
    """Reads a classifier's file or folder once.

    Raises:
      UserError: as `kind_of`.
    """
    kind = kind_of(path)
    return read(path, kind.name, whole=kind.whole)


def metadata_of(path: Path | ModelFile, overrides: Overrides) -> Metadata:
    """Finds the metadata of a classifier: its inputs, outputs and labels.

    Args:
      path: a `.tflite`, a GraphDef, a SavedModel folder or a Keras file; or one that has been read.
      overrides: the values that the user typed.

    Raises:
      UserError: the file does not exist, cannot be understood, or contradicts what the user typed.
    """
    source = path if isinstance(path, ModelFile) else open_model(path)
    reader = kind_named(source.kind).reader
    metadata = reader.metadata(source, typed_fields(overrides)) or _examined(source, reader, overrides)
    outputs = metadata.outputs if metadata.inspected else len(metadata.labels)
    return _fitted(as_typed(metadata, overrides, source), source.path, outputs)


def _examined(source: ModelFile, reader: ModelReader, typed: Overrides) -> Metadata:
    """Concludes the metadata of a file that contains none."""
    ends = (typed.input_layer.removeprefix("import/"), typed.output_layer.removeprefix("import/"))
    found = reader.evidence(source, *ends)
    from label_image.detectors.conclude import metadata_from

    range_typed = typed.input_mean is not None and typed.input_std is not None
    return metadata_from(
        found, source.path, labels_typed=bool(typed.labels), range_typed=range_typed, insists=bool(typed.output_layer)
    )


def _fitted(metadata: Metadata, path: Path, outputs: int) -> Metadata:
    """Fits the labels in the metadata to the number of outputs, if both are known.

    Raises:
      RunError: they do not fit; the message states both numbers.
    """
    if not metadata.labels or not outputs:
        return metadata
    return dataclasses.replace(metadata, labels=fit_labels(metadata.labels, outputs, path, metadata.facts["labels"]))


def fit_labels(labels: tuple[str, ...], outputs: int, path: Path, origin: str = "") -> tuple[str, ...]:
    """Fits labels to a number of outputs: removes or adds the background class; a single output may have two labels.

    Raises:
      RunError: the number of labels differs from the number of outputs; the message states both.
    """
    labels = fitted(labels, outputs)
    if len(labels) == outputs or (outputs == 1 and len(labels) == 2):
        return labels
    where = f" ({origin})" if origin and not origin.startswith("--labels") else ""
    raise RunError(
        f"cannot name the outputs of {path}: it has {outputs} outputs, but there are {len(labels)} labels{where}; "
        "give the labels file that belongs to it with --labels"
    )
