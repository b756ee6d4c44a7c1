"""Reads a `.tflite`: runs on LiteRT, one interpreter for each worker; needs no TensorFlow."""

from __future__ import annotations

import struct
from collections.abc import Callable

from label_image import model_metadata
from label_image.detectors import checksum
from label_image.detectors.evidence import Evidence
from label_image.detectors.flatbuffer import root
from label_image.detectors.tflite_entry import OUTPUTS, SUBGRAPHS
from label_image.model_file import ModelFile
from label_image.model_kinds.reader import FeatureMap, Floats, ModelReader, Typed
from label_image.model_metadata import METADATA_KEY, Metadata
from label_image.runners.litert import LitertRunner


def open_runner(source: ModelFile, metadata: Metadata) -> LitertRunner:
    """Makes a separate interpreter for one more caller."""
    return LitertRunner(source.path, 1, metadata.input_layer, metadata.output_layer, content=source.data)


def metadata_in(source: ModelFile, typed: Typed) -> Metadata | None:
    """Reads the metadata inside the file.

    Raises:
      RunError: the file was damaged since it was written.
    """
    from label_image.detectors.tflite_entry import entry_in

    checksum.is_ours(source)  # raises an error for a damaged file, even if its metadata can be read
    text = entry_in(source.data, METADATA_KEY)
    return model_metadata.from_json(text.decode("utf-8", "replace"), str(source.path), typed) if text else None


def evidence(source: ModelFile, input_layer: str, output_layer: str) -> Evidence:
    """Collects the evidence in a file without metadata."""
    from label_image.detectors import tflite

    return tflite.evidence(source, input_layer, output_layer)


def trial(source: ModelFile, metadata: Metadata, picture: Callable[[], Floats]) -> Floats | None:
    """Runs a file of another tool once in a child process, because LiteRT crashes the process for some damaged files.

    Raises:
      RunError: LiteRT crashes, or the file was damaged since it was written.
    """
    if checksum.is_ours(source):
        return None
    from label_image.runners.trial import run_in_child

    return run_in_child(source.path, source.data, (metadata.input_layer, metadata.output_layer), picture())


def names(source: ModelFile, fact: str) -> list[str]:
    """Returns the names of its inputs or outputs."""
    from label_image.detectors.tflite_file import TfliteFile

    file = TfliteFile(source)
    return [file.names[index] for index in (file.inputs if fact == "input" else file.outputs)]


def feature_map(source: ModelFile, output_layer: str) -> FeatureMap:
    """Returns the part of the network after its last feature map."""
    from label_image.detectors.pooled import tflite_end

    end = tflite_end(source, output_layer)
    tensor = int(end.feature_map)
    return FeatureMap(
        lambda: LitertRunner(source.path, content=_with_output(source.data, tensor)).values, end.weights, end.biases
    )


def _with_output(content: bytes, tensor: int) -> bytes:
    """Returns the bytes of a `.tflite` with another tensor as its outputs; the indices are overwritten in place."""
    data = bytearray(content)
    start, count = root(data).element(SUBGRAPHS, 0).span(OUTPUTS, 4)
    struct.pack_into(f"<{count}i", data, start, *[tensor] * count)
    return bytes(data)


READER = ModelReader(open_runner, metadata_in, evidence, trial, names, feature_map, runner_each=True)
