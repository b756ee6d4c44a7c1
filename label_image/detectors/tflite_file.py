"""Reads a `.tflite` from its flatbuffer with LiteRT's own schema classes: tensors, operators and constants. Nothing is run."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.detectors.affine import ADD, DIV, MUL, SUB
from label_image.errors import RunError
from label_image.model_file import ModelFile

_DTYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string", 7: "int16", 9: "int8"}
_NUMBERS = ("float32", "float16", "int8", "uint8", "int32", "int64")
_LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
_ACTIVATED = {"FULLY_CONNECTED": "FullyConnectedOptions", "CONV_2D": "Conv2DOptions"}
_ACTIVATED |= {"DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions", "AVERAGE_POOL_2D": "Pool2DOptions"}
_ACTIVATED |= {op: f"{op.title()}Options" for op in (ADD, SUB, MUL, DIV)}
DAMAGED = (struct.error, IndexError, TypeError, ValueError, OverflowError, AttributeError, KeyError, MemoryError)


def damage(error: Exception) -> str:
    """Describes the damage in words, because the messages of struct, NumPy and Python would not help a user."""
    if isinstance(error, (struct.error, IndexError, OverflowError)):
        return "an offset or index in it points outside the file"
    return f"a field in it has an impossible value: {type(error).__name__}"


class TfliteFile:
    """The first subgraph of a `.tflite`.

    Raises:
      RunError: if the FlatBuffer is damaged.
    """

    def __init__(self, source: Path | ModelFile) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._data: Any
        self.file: Path | io.BytesIO  # for reading the archive behind the model
        if isinstance(source, ModelFile):
            self.path = path = source.path
            self._data, self.file = source.data, io.BytesIO(source.data)  # BytesIO does not copy
        else:
            self.path = self.file = path = source
            self._data = np.memmap(path, np.uint8, "r")
        try:
            self._model: Any = schema.Model.GetRootAs(self._data, 0)
            self.graph: Any = self._model.Subgraphs(0)
            self.tensors: list[Any] = [self.graph.Tensors(index) for index in range(self.graph.TensorsLength())]
            self.names = [(tensor.Name() or b"").decode("utf-8", "replace") for tensor in self.tensors]
            self.operators: list[Any] = [self.graph.Operators(i) for i in range(self.graph.OperatorsLength())]
            self._ops = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
            self.inputs = [int(index) for index in self.graph.InputsAsNumpy()]
            self.outputs = [int(index) for index in self.graph.OutputsAsNumpy()]
            self.writers = {int(tensor): op for op in self.operators for tensor in self.indices(op.OutputsAsNumpy())}
        except DAMAGED as error:
            raise RunError(f"cannot read {path}: the .tflite is damaged ({damage(error)})") from None

    def entry(self, name: str) -> npt.NDArray[np.uint8] | None:
        """The bytes of a metadata entry; None if there is no such entry."""
        try:
            for index in range(self._model.MetadataLength()):
                entry = self._model.Metadata(index)
                if entry.Name() == name.encode():
                    return np.asarray(self._model.Buffers(entry.Buffer()).DataAsNumpy(), np.uint8)
        except DAMAGED as error:
            raise RunError(f"cannot read {self.path}: the .tflite is damaged ({damage(error)})") from None
        return None

    def op(self, operator: Any) -> str:
        """The name of an operator, such as "CONV_2D"."""
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        return str(self._ops.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "CUSTOM"))

    def all_ops(self) -> set[str]:
        """The names of all operators of all subgraphs."""
        graphs = [self._model.Subgraphs(index) for index in range(self._model.SubgraphsLength())]
        return {self.op(graph.Operators(index)) for graph in graphs for index in range(graph.OperatorsLength())}

    def has_custom(self, word: str) -> bool:
        """Whether a custom operator has this word in its name."""
        codes = [self._model.OperatorCodes(index) for index in range(self._model.OperatorCodesLength())]
        return any(word.encode() in (code.CustomCode() or b"") for code in codes)

    def sources(self, operator: Any) -> list[int]:
        """The tensors that an operator reads; -1 is an optional input that is missing."""
        return self.indices(operator.InputsAsNumpy())

    def shape(self, tensor: int) -> tuple[int, ...]:
        """The shape of a tensor, with -1 for a size that the file leaves undefined."""
        signature = self.indices(self.tensors[tensor].ShapeSignatureAsNumpy())
        return tuple(signature or self.indices(self.tensors[tensor].ShapeAsNumpy()))

    def dtype(self, tensor: int) -> str:
        """The data type of a tensor as NumPy names it, or "other"."""
        return _DTYPES.get(self.tensors[tensor].Type(), "other")

    def constant(self, tensor: int) -> npt.NDArray[Any] | None:
        """The values of a constant, dequantized with its median scale if it is quantized; None for other tensors."""
        if tensor < 0 or self.dtype(tensor) not in ("float32", "float16", "int8", "uint8"):
            return None
        data = self._model.Buffers(self.tensors[tensor].Buffer()).DataAsNumpy()
        if isinstance(data, int) or not len(data):
            return None
        values = np.frombuffer(bytes(data), self.dtype(tensor)).astype(np.float32)
        scales = self.tensors[tensor].Quantization()
        if values.size and self.dtype(tensor) in ("int8", "uint8") and scales and scales.ScaleLength():
            zero = scales.ZeroPoint(0) if scales.ZeroPointLength() else 0
            values = (values - zero) * np.float32(np.median(scales.ScaleAsNumpy()))
        return values

    def numbers(self, tensor: int) -> npt.NDArray[np.float32] | None:
        """The values of a constant in its shape, dequantized by channel, also behind a DEQUANTIZE; None for other tensors."""
        maker = self.writers.get(tensor)
        if maker is not None and self.op(maker) == "DEQUANTIZE":
            return self.numbers(self.sources(maker)[0])
        data = self._model.Buffers(self.tensors[tensor].Buffer()).DataAsNumpy()
        if isinstance(data, int) or not len(data) or self.dtype(tensor) not in _NUMBERS:
            return None
        shape = self.indices(self.tensors[tensor].ShapeAsNumpy())
        values = np.frombuffer(bytes(data), self.dtype(tensor)).astype(np.float32).reshape(shape)
        quantized = self.tensors[tensor].Quantization()
        if not quantized or not quantized.ScaleLength():
            return values
        scales = np.asarray(quantized.ScaleAsNumpy(), np.float32)
        zeros = np.asarray(self.indices(quantized.ZeroPointAsNumpy()) or [0] * len(scales), np.float32)
        along = [1] * len(shape)
        if len(scales) > 1:
            along[quantized.QuantizedDimension()] = len(scales)
        return (values - zeros.reshape(along)) * scales.reshape(along) if shape else (values - zeros[0]) * scales[0]

    def limits(self, tensor: int) -> tuple[float, float]:
        """The smallest and largest number that a quantized tensor can represent; (0, 0) for other tensors."""
        quantized, dtype = self.tensors[tensor].Quantization(), self.dtype(tensor)
        if not quantized or quantized.ScaleLength() != 1 or dtype not in _LIMITS:
            return 0.0, 0.0
        zero = quantized.ZeroPoint(0) if quantized.ZeroPointLength() else 0
        low, high = (float(quantized.Scale(0)) * (end - zero) for end in _LIMITS[dtype])
        return low, high

    def activated(self, operator: Any) -> bool:
        """Whether a fused activation, such as ReLU, is part of an operator."""
        from ai_edge_litert import schema_py_generated as schema

        table = operator.BuiltinOptions()
        kind = _ACTIVATED.get(self.op(operator))
        if table is None or kind is None:
            return False
        options = getattr(schema, kind)()
        options.Init(table.Bytes, table.Pos)
        return bool(options.FusedActivationFunction() != schema.ActivationFunctionType.NONE)

    @staticmethod
    def indices(values: Any) -> list[int]:
        """Converts a FlatBuffer vector to a list."""
        return (
            [] if isinstance(values, int) else [int(value) for value in values]
        )  # the schema classes return 0 for a missing vector
