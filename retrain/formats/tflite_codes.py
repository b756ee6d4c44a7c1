"""Corrects the operator codes of a `.tflite`: each kind of operator gets the version that its operators need.

A reader refuses a file with a version that it does not know; this is the purpose of the number. If the version is too low,
a reader may compute something else, or fail while running. ai-edge-quantizer changes the types of tensors but not the versions.
The numbers here are those of TensorFlow Lite's own table (op_version.cc) for the results of the quantizer: weights or all
numbers in int8, and weights in float16. All other operators keep their version.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from retrain.formats.tflite_model import TfliteModel, schema

_FLOAT32, _FLOAT16, _INT8 = 0, 1, 9  # values of the schema's TensorType

# Versions of operators on int8 numbers. Operators that are not listed support int8 from version 1.
_OF_INT8 = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "REVERSE_V2": 3, "TILE": 3, "CAST": 3}
_OF_INT8 |= {"BROADCAST_TO": 3}
_OF_INT8 |= dict.fromkeys(
    (
        "ABS", "ADD", "ARG_MAX", "ARG_MIN", "AVERAGE_POOL_2D", "BATCH_MATMUL", "BATCH_TO_SPACE_ND", "CONCATENATION",
        "DEPTH_TO_SPACE", "DEQUANTIZE", "EQUAL", "EXP", "GATHER", "GELU", "GREATER", "GREATER_EQUAL", "L2_NORMALIZATION", "LESS",
        "LESS_EQUAL", "LOG", "LOGISTIC", "LOG_SOFTMAX", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MIRROR_PAD", "MUL",
        "NOT_EQUAL", "PACK", "PAD", "PADV2", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "RELU", "RELU6",
        "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SELECT", "SLICE", "SOFTMAX", "SPACE_TO_BATCH_ND",
        "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQRT", "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB", "SUM", "TANH", "TOPK_V2",
        "TRANSPOSE", "TRANSPOSE_CONV", "UNPACK",
    ),
    2,
)  # fmt: skip
_PHOTO_AT = {"SPLIT": 1, "TRANSPOSE_CONV": 2}  # the index of the data input, if it is not the first input
# Versions for float32 numbers and int8 weights: with one scale for all weights, and with one scale per channel.
_OF_INT8_WEIGHTS = {"CONV_2D": (2, 5), "DEPTHWISE_CONV_2D": (4, 6), "FULLY_CONNECTED": (3, 12)}
_NEW_SCHEME = {"FULLY_CONNECTED": 9, "BATCH_MATMUL": 4}  # the same, with a zero point for the numbers


def needed(name: str, operator: Any, tensor: Callable[[int], Any]) -> int:
    """Returns the lowest version of an operator's definition that supports its types.

    Args:
      name: as in the schema: "CONV_2D".
      operator: OperatorT.
      tensor: returns the TensorT of an index.
    """
    inputs = [tensor(index) if index >= 0 else None for index in operator.inputs]
    types = [one.type if one else None for one in inputs]
    at = _PHOTO_AT.get(name, 0)
    if len(types) <= at:
        return 1
    if name == "DEQUANTIZE":
        return 3 if types[0] == _FLOAT16 else 1 if types[0] != _INT8 else 5 if _per_channel(inputs[0]) else 2
    if name == "MUL" and types[0] == _INT8 and _grows(inputs, tensor(operator.outputs[0])):
        return 3
    if types[at] == _INT8 or (name == "L2_NORMALIZATION" and tensor(operator.outputs[0]).type == _INT8):
        return _OF_INT8.get(name, 1)
    if types[:2] == [_FLOAT32, _INT8]:
        one, of_channels = _OF_INT8_WEIGHTS.get(name, (1, 1))
        if _per_channel(inputs[1]) and of_channels > 1:
            return of_channels
        return _NEW_SCHEME.get(name, one) if getattr(operator.builtinOptions, "asymmetricQuantizeInputs", 0) else one
    return 1


def with_right_codes(data: bytes, name: str) -> bytes:
    """Returns the model with the version that each operator needs, and without unused operator codes.

    Args:
      data: a `.tflite`.
      name: the name of the file in an error.

    Raises:
      RunError: it is not a `.tflite` with one subgraph.
    """
    model = TfliteModel.unpacked(data, name)
    old, codes, places = model.codes, list[Any](), dict[tuple[int, bytes | None, int], int]()
    for operator in model.graph.operators:
        code = old[operator.opcodeIndex]
        least = needed(operator_name(code.builtinCode), operator, lambda index: model.graph.tensors[index])
        version = max(code.version, least)
        key = (code.builtinCode, code.customCode, version)
        if key not in places:
            places[key] = len(codes)
            codes.append(schema().OperatorCodeT())
            codes[-1].builtinCode, codes[-1].customCode, codes[-1].version = key
        operator.opcodeIndex = places[key]
    model.codes = codes
    return model.to_bytes()


def operator_name(code: int) -> str:
    """Returns the schema's name of an operator's number: "CONV_2D" for 3."""
    return _names().get(code, "CUSTOM")


@lru_cache
def _names() -> dict[int, str]:
    return {number: name for name, number in vars(schema().BuiltinOperator).items() if isinstance(number, int)}


def _per_channel(tensor: Any) -> bool:
    quantization = tensor.quantization if tensor else None
    return quantization is not None and quantization.scale is not None and len(quantization.scale) > 1


def _grows(inputs: list[Any], output: Any) -> bool:
    """Whether a product of quantized numbers must be scaled by 1 or more, which older kernels cannot do."""
    scales = [one.quantization.scale for one in (*inputs[:2], output) if one and one.quantization]
    if len(scales) < 3 or any(scale is None or not len(scale) for scale in scales):
        return False
    return bool(scales[0][0] * scales[1][0] / scales[2][0] >= 1)
