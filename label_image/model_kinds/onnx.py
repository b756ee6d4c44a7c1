"""Reads an ONNX file that `python -m retrain` made; runs on ONNX Runtime. ONNX files of other tools do not state their input range."""

from __future__ import annotations

from label_image import model_metadata
from label_image.model_file import ModelFile
from label_image.model_kinds.reader import ModelReader, Typed
from label_image.model_metadata import METADATA_KEY, Metadata
from label_image.runners.onnx import OnnxRunner, opened_onnx


def open_runner(source: ModelFile, _: Metadata) -> OnnxRunner:
    """Returns the session of a file, which all threads share."""
    return opened_onnx(source)


def metadata_in(source: ModelFile, typed: Typed) -> Metadata | None:
    """Reads the metadata inside the file."""
    text = opened_onnx(source).metadata.get(METADATA_KEY)
    return None if text is None else model_metadata.from_json(text, str(source.path), typed)


READER = ModelReader(open_runner, metadata_in)
