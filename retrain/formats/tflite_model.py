"""Reads, builds and changes `.tflite` models with LiteRT's own schema classes: tensors, operators and metadata.

TensorFlow is not needed. The format is a FlatBuffer; `schema_py_generated` ships with ai-edge-litert and is generated from the
schema. The tensors, operators and constants of a file stay packed; new parts are written in front of them. This works because
a FlatBuffer grows from its end to its beginning, and its offsets only point forward. Adding a layer costs only the layer.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError

ALIGNED = 16  # bytes: the alignment that the schema requires for a buffer's data
SIGNATURE = "serving_default"  # of the models that we write; TensorFlow's name for the default signature
LAST_DEPRECATED = (
    127  # the old field for an operator's number is a signed byte; larger numbers are replaced by this value
)
_ROOM = 1 << 20  # initial bytes for added parts
_DAMAGED = (struct.error, IndexError, TypeError, ValueError, OverflowError, AttributeError)


def schema() -> Any:
    """Imports LiteRT's generated schema module."""
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


class TfliteModel:
    """A model with one subgraph that can be changed.

    Attributes:
      graph: the subgraph's object (SubGraphT): tensors, operators, inputs and outputs; those from a file are packed.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Opens `path`, or makes an empty model.

        Raises:
          RunError: `path` is not a `.tflite` with one subgraph.
        """
        self._schema = schema()
        self._packed = b""  # the bytes that were read, which form the end of the written file
        self._model: Any = self._read(path.read_bytes(), str(path)) if path else self._empty()
        self.graph: Any = self._model.subgraphs[0]

    @classmethod
    def unpacked(cls, data: bytes, name: str) -> TfliteModel:
        """Opens a model completely unpacked: everything can be changed, and everything is written again.

        Args:
          data: the file's bytes.
          name: the name of the file in an error.

        Raises:
          RunError: it is not a `.tflite` with one subgraph.
        """
        made = cls()
        made._model = made._read(data, name, whole=True)
        made.graph = made._model.subgraphs[0]
        return made

    @property
    def codes(self) -> list[Any]:
        """The kinds of operators (OperatorCodeT), each with its version; operators refer to them by index."""
        return list(self._model.operatorCodes)

    @codes.setter
    def codes(self, codes: list[Any]) -> None:
        self._model.operatorCodes = codes

    def tensor(
        self, name: str, shape: list[int], values: npt.NDArray[Any] | None = None, *, batch: bool = False
    ) -> int:
        """Adds a tensor and returns its index.

        Args:
          name: its name.
          shape: its shape, with 1 for the batch.
          values: float32 or int32 constants of that shape; None for the output of an operator.
          batch: whether the first dimension is variable.
        """
        tensor = self._schema.TensorT()
        tensor.name, tensor.shape = name.encode(), np.asarray(shape, np.int32)
        tensor.type = self._schema.TensorType.INT32 if _is_int32(values) else self._schema.TensorType.FLOAT32
        tensor.buffer = 0 if values is None else self.buffer(np.ascontiguousarray(values).tobytes())
        if batch:
            tensor.shapeSignature = np.asarray([-1, *shape[1:]], np.int32)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def buffer(self, data: bytes) -> int:
        """Adds a buffer with these bytes and returns its index."""
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self._model.buffers.append(buffer)
        return len(self._model.buffers) - 1

    def operator(self, name: str, inputs: list[int], output: int, options: Any = None, version: int = 1) -> None:
        """Adds a built-in operator.

        Args:
          name: as in the schema: "CONV_2D".
          inputs: indices of tensors.
          output: index of the output tensor.
          options: its options object, whose class determines their kind.
          version: of the operator's definition.
        """
        operator = self._schema.OperatorT()
        operator.opcodeIndex = self._opcode(getattr(self._schema.BuiltinOperator, name), version)
        operator.inputs, operator.outputs = np.asarray(inputs, np.int32), np.asarray([output], np.int32)
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType, operator.builtinOptions = getattr(self._schema.BuiltinOptions, kind), options
        self.graph.operators.append(operator)

    def options(self, kind: str, **values: Any) -> Any:
        """Makes an options object of the schema: options("Conv2DOptions", strideH=2)."""
        options = getattr(self._schema, f"{kind}T")()
        for name, value in values.items():
            setattr(options, name, value)
        return options

    def constant(self, kind: str, name: str) -> int:
        """Returns the value of a constant in one of the schema's enumerations: constant("Padding", "SAME")."""
        return int(getattr(getattr(self._schema, kind), name))

    def metadata(self, name: str, data: bytes) -> None:
        """Adds a metadata entry, or replaces the one with the same name."""
        entry = self._schema.MetadataT()
        entry.name, entry.buffer = name.encode(), self.buffer(data)
        self._model.metadata = [old for old in self._model.metadata or [] if old.name != name.encode()] + [entry]

    def signature(self, key: str, input_name: str, output_name: str) -> None:
        """Names the model's only input and only output, and replaces earlier names."""
        signature = self._schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = key.encode(), 0
        signature.inputs = [self._named(input_name, self.graph.inputs)]
        signature.outputs = [self._named(output_name, self.graph.outputs)]
        self._model.signatureDefs = [signature]

    def outputs(self, indices: list[int]) -> None:
        """Makes these tensors the outputs, also in the signatures."""
        self.graph.outputs = np.asarray(indices, np.int32)
        for signature in self._model.signatureDefs or []:
            for entry, index in zip(signature.outputs, indices, strict=True):
                entry.tensorIndex = index

    def to_bytes(self) -> bytes:
        """Returns the bytes of the file."""
        import flatbuffers

        for code in self._model.operatorCodes:  # old readers, and some new ones, only read the deprecated field
            code.deprecatedBuiltinCode = min(code.builtinCode, LAST_DEPRECATED)
        self._model.buffers = [_Buffer(one.data) if hasattr(one, "data") else one for one in self._model.buffers]
        builder = flatbuffers.Builder(len(self._packed) + _ROOM)
        builder.minalign = ALIGNED
        if self._packed:  # use the bytes as if the builder had written them
            builder.head -= len(self._packed)
            builder.Bytes[builder.head :] = self._packed
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(memoryview(builder.Bytes)[builder.Head() :])

    def _named(self, name: str, indices: Any) -> Any:
        entry = self._schema.TensorMapT()
        (index,) = indices
        entry.name, entry.tensorIndex = name.encode(), int(index)
        return entry

    def _opcode(self, builtin: int, version: int) -> int:
        for index, code in enumerate(self._model.operatorCodes):
            if (code.builtinCode, code.version) == (builtin, version):
                return index
        code = self._schema.OperatorCodeT()
        code.builtinCode, code.version = builtin, version
        self._model.operatorCodes.append(code)
        return len(self._model.operatorCodes) - 1

    def _empty(self) -> Any:
        model, graph = self._schema.ModelT(), self._schema.SubGraphT()
        model.version, model.description = 3, b"retrain"
        model.operatorCodes, model.buffers, model.subgraphs = [], [self._schema.BufferT()], [graph]
        graph.name, graph.tensors, graph.operators = b"main", [], []
        return model

    def _read(self, data: bytes, name: str, *, whole: bool = False) -> Any:
        if data[4:8] != b"TFL3":
            raise RunError(f"cannot read {name}: it is not a .tflite")
        self._packed = data + bytes(-len(data) % ALIGNED)
        try:
            packed = self._schema.Model.GetRootAs(self._packed, 0)
            if packed.SubgraphsLength() != 1:
                raise RunError(
                    f"cannot use {name}: it has {packed.SubgraphsLength()} subgraphs, but only one is supported"
                )
            as_they_lie = not whole and all(
                buffer.Offset() <= 1 and is_aligned(buffer) for buffer in entries(packed, "Buffers")
            )
            return self._opened(packed) if as_they_lie else self._unpacked(packed)
        except _DAMAGED as error:
            raise RunError(f"cannot read {name}: damaged ({type(error).__name__})") from None

    def _opened(self, packed: Any) -> Any:
        """Returns a model (ModelT) whose tensors, operators and constants stay packed."""
        model, graph, old = self._schema.ModelT(), self._schema.SubGraphT(), packed.Subgraphs(0)
        model.version, model.description, model.subgraphs = packed.Version(), packed.Description(), [graph]
        for name in ("OperatorCodes", "Metadata", "SignatureDefs"):
            made = getattr(self._schema, f"{name.removesuffix('s')}T")
            found = [made.InitFromObj(entry) for entry in entries(packed, name)]
            setattr(model, name[0].lower() + name[1:], found)
        model.buffers = [self._kept(buffer) for buffer in entries(packed, "Buffers")]
        graph.name, graph.inputs, graph.outputs = old.Name(), old.InputsAsNumpy(), old.OutputsAsNumpy()
        graph.tensors = [self._kept(tensor) for tensor in entries(old, "Tensors")]
        graph.operators = [self._kept(operator) for operator in entries(old, "Operators")]
        return model

    def _unpacked(self, packed: Any) -> Any:
        """Returns a model unpacked completely: for constants behind its FlatBuffer (as the quantizer writes) or not aligned."""
        model = self._schema.ModelT.InitFromObj(packed)
        for buffer in model.buffers:
            if buffer.offset > 1:
                buffer.data = np.frombuffer(self._packed, np.uint8, buffer.size, buffer.offset)
                buffer.offset = buffer.size = 0
        self._packed = b""
        return model

    def _kept(self, packed: Any) -> _Kept:
        return _Kept(len(self._packed) - packed._tab.Pos)  # noqa: SLF001 - the generated classes have no other access


class _Kept:
    """A table that stays packed in place; it replaces an object that the schema's classes would pack.

    Args:
      from_end: its distance from the end of the file in bytes, as a builder counts.
    """

    def __init__(self, from_end: int) -> None:
        self._from_end = from_end

    def Pack(self, _: Any) -> int:  # noqa: N802 - the schema's name
        """Returns the table's position."""
        return self._from_end


class _Buffer:
    """The bytes of a constant, or none; unlike the schema's own class, it packs them with the required alignment.

    Args:
      data: uint8 [n] or None.
    """

    def __init__(self, data: Any) -> None:
        self.data = data

    def Pack(self, builder: Any) -> int:  # noqa: N802 - the schema's name
        """Writes the buffer and returns its position."""
        vector = None
        if self.data is not None:
            data = bytes(self.data)
            builder.StartVector(1, len(data), ALIGNED)
            builder.head -= len(data)
            builder.Bytes[builder.head : builder.head + len(data)] = data
            vector = builder.EndVector()
        room = schema()
        room.BufferStart(builder)
        if vector is not None:
            room.BufferAddData(builder, vector)
        return int(room.BufferEnd(builder))


def is_aligned(buffer: Any) -> bool:
    """Whether a packed buffer's data has the alignment that the schema requires."""
    return not buffer.DataLength() or buffer._tab.Vector(buffer._tab.Offset(4)) % ALIGNED == 0  # noqa: SLF001 - the only access to it


def entries(table: Any, name: str) -> list[Any]:
    """Returns the tables of a vector: entries(model, "Buffers")."""
    return [getattr(table, name)(place) for place in range(getattr(table, f"{name}Length")())]


def _is_int32(values: npt.NDArray[Any] | None) -> bool:
    return values is not None and values.dtype == np.int32
