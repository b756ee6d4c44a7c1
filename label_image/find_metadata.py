"""Finds the metadata of a classifier's file: inside it, or else from what its graph shows, with the reason for each fact.

Never runs a network. What the user typed (Overrides) comes before what was found; each fact says where it came from.
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
from label_image.overrides import Overrides, as_typed

__all__ = ["Overrides", "fit_labels", "metadata_of", "open_model"]


def open_model(path: Path) -> ModelFile:
    """Opens a file or folder, once for all that is asked of it later.

    Raises:
      UserError: as `kind_of`.
    """
    kind = kind_of(path)
    return read(path, kind.name, whole=kind.whole)


def metadata_of(path: Path | ModelFile, overrides: Overrides) -> Metadata:
    """What `path` takes and gives.

    Args:
      path: a `.tflite`, a GraphDef, a SavedModel folder or a Keras file; or what was read of one.
      overrides: what the user typed.

    Raises:
      UserError: the file is not there or not to be understood, or says other than what was typed.
    """
    source = path if isinstance(path, ModelFile) else open_model(path)
    reader = kind_named(source.kind).reader
    metadata = reader.metadata(source) or _examined(source, reader, overrides)
    outputs = metadata.outputs if metadata.inspected else len(metadata.labels)
    return _fitted(as_typed(metadata, overrides, source), source.path, outputs)


def _examined(source: ModelFile, reader: ModelReader, typed: Overrides) -> Metadata:
    """The metadata of a file that has none inside."""
    ends = (typed.input_layer.removeprefix("import/"), typed.output_layer.removeprefix("import/"))
    found = reader.evidence(source, *ends)
    from label_image.detectors.conclude import metadata_from

    return metadata_from(found, source.path, labels_typed=bool(typed.labels), insists=bool(typed.output_layer))


def _fitted(metadata: Metadata, path: Path, outputs: int) -> Metadata:
    """The metadata with labels that fit its outputs, where both are known.

    Raises:
      RunError: they do not fit; both numbers are said.
    """
    if not metadata.labels or not outputs:
        return metadata
    return dataclasses.replace(metadata, labels=fit_labels(metadata.labels, outputs, path, metadata.facts["labels"]))


def fit_labels(labels: tuple[str, ...], outputs: int, path: Path, origin: str = "") -> tuple[str, ...]:
    """The labels for `outputs` numbers: the background class left out if it must be, two names for one number.

    Raises:
      RunError: as many labels as outputs are needed; both numbers are said.
    """
    labels = fitted(labels, outputs)
    if len(labels) == outputs or (outputs == 1 and len(labels) == 2):
        return labels
    where = f" ({origin})" if origin and not origin.startswith("--labels") else ""
    raise RunError(
        f"cannot name the outputs of {path}: it has {outputs}, and there are {len(labels)} labels{where}; "
        "give the labels file that was written with it: --labels"
    )
