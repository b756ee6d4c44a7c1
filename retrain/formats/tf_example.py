"""Reads the features of a tf.train.Example with protobuf, without TensorFlow.

tensorboard ships TensorFlow's classes for graphs and events, but not this one, so it is described here: the parts of
tensorflow/core/example/feature.proto that contain bytes and integers. In the serialized form a map is a list of entries.
"""

from __future__ import annotations

import functools
from typing import Any

from label_image.errors import RunError, meaning

_BYTES, _INT64, _MESSAGE = 12, 3, 11  # values of google.protobuf.FieldDescriptorProto.Type
_ONE, _MANY = 1, 3  # values of FieldDescriptorProto.Label
_MESSAGES: dict[str, list[tuple[str, int, int, int, str]]] = {  # name -> fields: name, number, type, label, message
    "BytesList": [("value", 1, _BYTES, _MANY, "")],
    "Int64List": [("value", 1, _INT64, _MANY, "")],
    "Feature": [("bytes_list", 1, _MESSAGE, _ONE, "BytesList"), ("int64_list", 3, _MESSAGE, _ONE, "Int64List")],
    "Entry": [("key", 1, _BYTES, _ONE, ""), ("value", 2, _MESSAGE, _ONE, "Feature")],
    "Features": [("feature", 1, _MESSAGE, _MANY, "Entry")],
    "Example": [("features", 1, _MESSAGE, _ONE, "Features")],
}


def features(data: bytes) -> dict[str, list[bytes] | list[int]]:
    """Parses an Example.

    Args:
      data: the serialized Example.

    Returns:
      name -> bytes or integers; features that are floats or empty are left out.

    Raises:
      RunError: protobuf is not installed.
      ValueError: it is not an Example.
    """
    example = _example_class()()
    try:
        example.ParseFromString(data)
    except Exception as error:  # protobuf's DecodeError has moved between versions
        raise ValueError(meaning(error)) from None
    found: dict[str, list[bytes] | list[int]] = {}
    for entry in example.features.feature:
        values = list(entry.value.bytes_list.value) or list(entry.value.int64_list.value)
        if values:
            found[entry.key.decode("utf-8", "replace")] = values
    return found


@functools.cache
def _example_class() -> Any:
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError:
        raise RunError("reading TFRecords needs protobuf, which is not installed: pip install protobuf") from None
    file = descriptor_pb2.FileDescriptorProto(name="retrain/tf_example.proto", package="retrain", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, label, other in fields:
            type_name = f".retrain.{other}" if other else None
            message.field.add(name=field, number=number, type=kind, label=label, type_name=type_name)
    pool = descriptor_pool.DescriptorPool()  # a separate pool, because TensorFlow may be loaded in this process
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("retrain.Example"))
