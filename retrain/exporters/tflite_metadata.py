"""Writes the standard TFLite metadata, which MediaPipe Tasks and Android read, in addition to our own.

These programs need no settings for a `.tflite` with this metadata. It has two parts: a FlatBuffer with the identifier M001 (its schema
is `metadata_schema.fbs` of TensorFlow Lite Support), which contains the scaling and the name of the labels file; and the labels file,
in a zip archive after the model. It is written by slot number here, so that exporting does not need MediaPipe (540 MB).
Equal metadata gives equal bytes.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np

from label_image.labels import format_labels
from label_image.model_metadata import Metadata

LABELS_FILE = "labels.txt"
_IDENTIFIER = b"M001"
_PARSER = "1.0.0"  # the first version of the schema has all the fields used here

# Numbers of the schema's enumerations.
_RGB = 1  # ColorSpaceType
_TENSOR_AXIS_LABELS = 2  # AssociatedFileType
_FEATURE_PROPERTIES, _IMAGE_PROPERTIES = 1, 2  # ContentProperties
_NORMALIZATION_OPTIONS = 1  # ProcessUnitOptions


def standard_metadata(metadata: Metadata) -> bytes:
    """Makes the FlatBuffer: the input is an image, the output a probability for each label."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    offset = _Tables(builder).model(metadata)
    builder.Finish(offset, _IDENTIFIER)
    return bytes(builder.Output())


def with_labels(model: bytes, metadata: Metadata) -> bytes:
    """Appends the labels file to the model's bytes, in an uncompressed zip archive.

    A FlatBuffer is read from its beginning and a zip archive from its end, so both can be in one file.
    """
    file = io.BytesIO(model)
    # The oldest date that zip allows, and Unix as the creator, so that the bytes are the same on each day and machine.
    entry = zipfile.ZipInfo(LABELS_FILE, (1980, 1, 1, 0, 0, 0))
    entry.create_system, entry.external_attr = 3, 0o644 << 16
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(entry, format_labels(metadata.labels))
    return file.getvalue()


class _Tables:
    """Writes the tables of the schema, innermost first, as FlatBuffers require; each method returns an offset."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder

    def model(self, metadata: Metadata) -> int:
        name = self._text(str(metadata.training.get("architecture", "retrained")))
        subgraphs = self._tables([self._subgraph(metadata)])
        # ModelMetadata: 0 name, 1 description, 2 version, 3 subgraph_metadata, 4 author, 5 license,
        # 6 associated_files, 7 min_parser_version
        return self._table(8, {0: name, 3: subgraphs, 7: self._text(_PARSER)})

    def _subgraph(self, metadata: Metadata) -> int:
        inputs, outputs = self._tables([self._image(metadata)]), self._tables([self._scores()])
        # SubGraphMetadata: 0 name, 1 description, 2 input_tensor_metadata, 3 output_tensor_metadata, 4 associated_files,
        # 5 input_process_units, 6 output_process_units, 7 input_tensor_groups, 8 output_tensor_groups, 9 custom_metadata
        return self._table(10, {2: inputs, 3: outputs})

    def _image(self, metadata: Metadata) -> int:
        mean, std = np.array(metadata.mean, np.float32), np.array(metadata.std, np.float32)
        lowest, highest = (0 - mean) / std, (255 - mean) / std
        options = self._table(2, {0: self._floats(mean), 1: self._floats(std)})  # NormalizationOptions: 0 mean, 1 std
        unit = self._union(2, _NORMALIZATION_OPTIONS, options)  # ProcessUnit: 0 options_type, 1 options
        properties = self._table(2, {}, {0: _RGB})  # ImageProperties: 0 color_space, 1 default_size
        stats = self._table(2, {0: self._floats(highest), 1: self._floats(lowest)})  # Stats: 0 max, 1 min
        content = self._content(_IMAGE_PROPERTIES, properties)
        return self._tensor("image", content, {4: self._tables([unit]), 5: stats})

    def _scores(self) -> int:
        # AssociatedFile: 0 name, 1 description, 2 type, 3 locale, 4 version
        labels = self._table(5, {0: self._text(LABELS_FILE)}, {2: _TENSOR_AXIS_LABELS})
        content = self._content(_FEATURE_PROPERTIES, self._table(0, {}))  # FeatureProperties has no fields
        lowest, highest = self._floats(np.zeros(1, np.float32)), self._floats(np.ones(1, np.float32))
        return self._tensor(
            "probability", content, {5: self._table(2, {0: highest, 1: lowest}), 6: self._tables([labels])}
        )

    def _tensor(self, name: str, content: int, offsets: dict[int, int]) -> int:
        # TensorMetadata: 0 name, 1 description, 2 dimension_names, 3 content, 4 process_units, 5 stats, 6 associated_files
        return self._table(7, {0: self._text(name), 3: content, **offsets})

    def _content(self, kind: int, properties: int) -> int:
        return self._union(3, kind, properties)  # Content: 0 content_properties_type, 1 content_properties, 2 range

    def _union(self, slots: int, kind: int, offset: int) -> int:
        """Writes a table whose slot 0 contains the type of its slot 1."""
        self._builder.StartObject(slots)
        self._builder.PrependUint8Slot(0, kind, 0)
        self._builder.PrependUOffsetTRelativeSlot(1, offset, 0)
        return int(self._builder.EndObject())

    def _table(self, slots: int, offsets: dict[int, int], numbers: dict[int, int] | None = None) -> int:
        """Writes a table: references as offsets, enumerations as one byte."""
        self._builder.StartObject(slots)
        for slot, offset in offsets.items():
            self._builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        for slot, number in (numbers or {}).items():
            self._builder.PrependInt8Slot(slot, number, 0)
        return int(self._builder.EndObject())

    def _tables(self, offsets: list[int]) -> int:
        """Writes a vector of tables."""
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return int(self._builder.EndVector())

    def _floats(self, values: np.ndarray[Any, np.dtype[np.float32]]) -> int:
        return int(self._builder.CreateNumpyVector(np.ascontiguousarray(values, "<f4")))

    def _text(self, text: str) -> int:
        return int(self._builder.CreateString(text))
