"""Reads the normalisation and labels from the standard TFLite metadata, as Model Maker, AutoML and MediaPipe write it.

The buffer TFLITE_METADATA of the model contains a FlatBuffer that describes the tensors; the labels are in a zip archive behind
the model. The constants below are the field numbers of metadata_schema.fbs, because the generated classes exist only in packages of 500 MB.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from label_image.detectors.flatbuffer import Table, root
from label_image.labels import parse_labels, without_index

NAME = "TFLITE_METADATA"
_MOST_LABELS = 4 << 20  # bytes; the 21,000 classes of ImageNet have 0.5 MB
_SUBGRAPHS, _MODEL_FILES = 3, 6  # of ModelMetadata
_INPUTS, _OUTPUTS, _GRAPH_FILES = 2, 3, 4  # of SubGraphMetadata
_CONTENT, _UNITS, _FILES = 3, 4, 6  # of TensorMetadata
_PROPERTIES_TYPE, _PROPERTIES = 0, 1  # of Content
_COLOUR = 0  # of ImageProperties
_OPTIONS_TYPE, _OPTIONS = 0, 1  # of ProcessUnit
_MEAN, _STD = 0, 1  # of NormalizationOptions
_FILE_NAME, _FILE_TYPE, _FILE_LOCALE = 0, 2, 3  # of AssociatedFile
_IMAGE_PROPERTIES, _GREY, _NORMALIZATION, _AXIS_LABELS, _VALUE_LABELS = 2, 2, 1, 2, 3  # numbers of its enumerations


@dataclass(frozen=True)
class StandardMetadata:
    """What the standard metadata of a `.tflite` states."""

    mean: tuple[float, ...] = ()  # input = (pixel - mean) / std
    std: tuple[float, ...] = ()
    grey: bool = False
    labels_file: str = ""  # in the archive behind the model


def _words(table: Table, slot: int) -> str:
    return table.text(slot).decode("utf-8", "replace")


def parse(data: bytes) -> StandardMetadata:
    """Parses the FlatBuffer.

    Raises:
      struct.error, IndexError, TypeError, ValueError: if it is damaged.
    """
    whole = root(data)
    graphs = whole.tables(_SUBGRAPHS)
    inputs = graphs[0].tables(_INPUTS) if graphs else []
    outputs = graphs[0].tables(_OUTPUTS) if graphs else []
    mean, std, grey = _image(inputs[0]) if inputs else ((), (), False)
    files = [file for table in outputs for file in table.tables(_FILES)]
    files += [file for table in graphs for file in table.tables(_GRAPH_FILES)] + whole.tables(_MODEL_FILES)
    named = [file for file in files if file.number(_FILE_TYPE, "B") in (_AXIS_LABELS, _VALUE_LABELS)] or [
        file for file in files if "label" in _words(file, _FILE_NAME).lower()
    ]
    named.sort(key=lambda file: bool(_words(file, _FILE_LOCALE)))  # files without a language come first
    return StandardMetadata(mean, std, grey, _words(named[0], _FILE_NAME) if named else "")


def _image(tensor: Table) -> tuple[tuple[float, ...], tuple[float, ...], bool]:
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    for unit in tensor.tables(_UNITS):
        options = unit.table(_OPTIONS)
        if unit.number(_OPTIONS_TYPE, "B") == _NORMALIZATION and options is not None:
            mean, std = options.numbers(_MEAN, "f"), options.numbers(_STD, "f")
    content = tensor.table(_CONTENT)
    image = (
        content.table(_PROPERTIES) if content and content.number(_PROPERTIES_TYPE, "B") == _IMAGE_PROPERTIES else None
    )
    return mean, std, image is not None and image.number(_COLOUR, "B") == _GREY


def read(data: bytes | np.ndarray[Any, Any] | None) -> StandardMetadata:
    """Parses the metadata in a model's buffer; returns empty metadata if it is missing or damaged."""
    if data is None:
        return StandardMetadata()
    try:
        return parse(bytes(data))
    except (struct.error, IndexError, TypeError, ValueError, OverflowError):
        return StandardMetadata()


def packed_labels(file: Path | BinaryIO, name: str) -> tuple[tuple[str, ...], str]:
    """Reads the labels in the archive behind a `.tflite`; returns them and the name of their file, or nothing if there are none.

    Args:
      file: the `.tflite`.
      name: the file that the metadata names; "" selects a file with "label" in its name.
    """
    if not zipfile.is_zipfile(file):
        return (), ""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            wanted = [name] if name in names else [other for other in names if "label" in other.lower()]
            if not wanted:
                return (), ""
            with archive.open(wanted[0]) as packed:
                data = packed.read(_MOST_LABELS + 1)
            if len(data) > _MOST_LABELS:  # a zip bomb: no list of labels is this large
                return (), ""
            return without_index(parse_labels(data)), wanted[0]
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError, OSError, RuntimeError, NotImplementedError):
        return (), ""
