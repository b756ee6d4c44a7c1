"""A `.tflite` in, Evidence out, read from the flatbuffer with LiteRT's own schema classes; nothing is run."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.detectors import standard_metadata
from label_image.detectors.affine import ADD, DIV, MUL, SUB, Affine, after, calibrated, turned_round
from label_image.detectors.evidence import Evidence, Range, root_mean_square
from label_image.detectors.purpose import INDEX, Output, seems, seems_by_inputs
from label_image.errors import RunError, UserError
from label_image.model_file import ModelFile

_DTYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string", 7: "int16", 9: "int8"}
_NUMBERS = ("float32", "float16", "int8", "uint8", "int32", "int64")
_PASS_ON = (
    "RESHAPE",
    "SQUEEZE",
    "QUANTIZE",
    "DEQUANTIZE",
    "EXPAND_DIMS",
    "STRIDED_SLICE",
    "SLICE",
    "CAST",
    "TRANSPOSE",
)
_KINDS = {"SOFTMAX": "probabilities", "LOGISTIC": "sigmoid", "FULLY_CONNECTED": "logits", "CONV_2D": "logits"}
_KINDS |= {"LOG_SOFTMAX": "logits", "ADD": "logits", "MEAN": "logits", "AVERAGE_POOL_2D": "logits"}
_KINDS |= {"BATCH_MATMUL": "logits"}
_KINDS |= {"L2_NORMALIZATION": "features", "ARG_MAX": INDEX, "ARG_MIN": INDEX}
_POOLS = ("MEAN", "AVERAGE_POOL_2D")  # of a layer with an activation they give features, of one without logits
_ACTIVATIONS = (
    "RELU",
    "RELU6",
    "RELU_N1_TO_1",
    "LEAKY_RELU",
    "PRELU",
    "ELU",
    "HARD_SWISH",
    "GELU",
    "LOGISTIC",
    "MUL",
    "CONCATENATION",
)
_FINDS_BOXES = ("NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5")
_RESIZES = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
_SUMS = (ADD, SUB, MUL, DIV)
_LOOKS = ("SHAPE", "RANK")
_LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
_ACTIVATED = {"FULLY_CONNECTED": "FullyConnectedOptions", "CONV_2D": "Conv2DOptions"}
_ACTIVATED |= {"DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions", "AVERAGE_POOL_2D": "Pool2DOptions"}
_ACTIVATED |= {op: f"{op.title()}Options" for op in _SUMS}
_DAMAGED = (struct.error, IndexError, TypeError, ValueError, OverflowError, AttributeError, KeyError, MemoryError)


def _damage(error: Exception) -> str:
    """What is wrong, in words: what struct, NumPy and Python call it says nothing to who reads the line."""
    if isinstance(error, (struct.error, IndexError, OverflowError)):
        return "an offset or index in it leads out of the file"
    return f"a field in it has an impossible value: {type(error).__name__}"


class TfliteFile:
    """The first subgraph of a `.tflite`, open to questions.

    Raises:
      RunError: if the flatbuffer is damaged.
    """

    def __init__(self, source: Path | ModelFile) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._data: Any
        self.file: Path | io.BytesIO  # for who reads what lies behind the model
        if isinstance(source, ModelFile):
            self.path = path = source.path
            self._data, self.file = source.data, io.BytesIO(source.data)  # which copies nothing
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
        except _DAMAGED as error:
            raise RunError(f"cannot read {path}: the .tflite is damaged ({_damage(error)})") from None

    def entry(self, name: str) -> npt.NDArray[np.uint8] | None:
        """A metadata entry's bytes."""
        try:
            for index in range(self._model.MetadataLength()):
                entry = self._model.Metadata(index)
                if entry.Name() == name.encode():
                    return np.asarray(self._model.Buffers(entry.Buffer()).DataAsNumpy(), np.uint8)
        except _DAMAGED as error:
            raise RunError(f"cannot read {self.path}: the .tflite is damaged ({_damage(error)})") from None
        return None

    def op(self, operator: Any) -> str:
        """An operator's name: "CONV_2D"."""
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        return str(self._ops.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "CUSTOM"))

    def all_ops(self) -> set[str]:
        """The names of all operators of all subgraphs."""
        graphs = [self._model.Subgraphs(index) for index in range(self._model.SubgraphsLength())]
        return {self.op(graph.Operators(index)) for graph in graphs for index in range(graph.OperatorsLength())}

    def has_custom(self, word: str) -> bool:
        """Whether an operator that is not of the schema has this word in its name."""
        codes = [self._model.OperatorCodes(index) for index in range(self._model.OperatorCodesLength())]
        return any(word.encode() in (code.CustomCode() or b"") for code in codes)

    def sources(self, operator: Any) -> list[int]:
        """The tensors that an operator reads; -1 is an optional one left out."""
        return self.indices(operator.InputsAsNumpy())

    def shape(self, tensor: int) -> tuple[int, ...]:
        """With -1 where the file leaves a dimension open."""
        signature = self.indices(self.tensors[tensor].ShapeSignatureAsNumpy())
        return tuple(signature or self.indices(self.tensors[tensor].ShapeAsNumpy()))

    def dtype(self, tensor: int) -> str:
        """A name that NumPy knows, or "other"."""
        return _DTYPES.get(self.tensors[tensor].Type(), "other")

    def constant(self, tensor: int) -> npt.NDArray[Any] | None:
        """A float constant's numbers; a quantized one's, dequantized with its first scale; None of anything else."""
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
        """A constant in its shape, dequantized with the scale of each channel; seen through DEQUANTIZE. None of anything else."""
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
        """The least and the largest number that a quantized tensor can say; (0, 0) of any other."""
        quantized, dtype = self.tensors[tensor].Quantization(), self.dtype(tensor)
        if not quantized or quantized.ScaleLength() != 1 or dtype not in _LIMITS:
            return 0.0, 0.0
        zero = quantized.ZeroPoint(0) if quantized.ZeroPointLength() else 0
        low, high = (float(quantized.Scale(0)) * (end - zero) for end in _LIMITS[dtype])
        return low, high

    def activated(self, operator: Any) -> bool:
        """Whether an operator ends in a ReLU or the like; layers and sums can."""
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
        """Numbers of a flatbuffer's vector as a list."""
        return [] if isinstance(values, int) else [int(value) for value in values]  # 0 is the schema's "nothing"


def evidence(source: Path | ModelFile, input_layer: str = "", output_layer: str = "") -> Evidence:
    """What a `.tflite` shows.

    Args:
      source: the file, or what was read of it.
      input_layer: the tensor that the user named; "" finds it.
      output_layer: the same for the scores.

    Raises:
      UserError: a tensor that is not there; the line lists those that are.
      RunError: the file is damaged.
    """
    file = TfliteFile(source)
    try:
        return _evidence(file, input_layer, output_layer)
    except _DAMAGED as error:
        raise RunError(f"cannot read {file.path}: the .tflite is damaged ({_damage(error)})") from None


def _evidence(file: TfliteFile, input_layer: str, output_layer: str) -> Evidence:
    source = _chosen(file, file.inputs, input_layer, "input_layer")
    result = _chosen(file, file.outputs, output_layer, "output_layer")
    if file.dtype(source) == "string":
        raise RunError(f"cannot use {file.path}: its input takes text or files, a photo needs numbers")
    said = standard_metadata.read(file.entry(standard_metadata.NAME))
    labels, inside = standard_metadata.packed_labels(file.file, said.labels_file)
    stated = None
    if said.mean and said.std:
        stated = Range(said.mean, said.std, "TFLite metadata inside the file", order="grey" if said.grey else "RGB")
    affine, range_name, first = _from_the_input(file, source)
    kernel = file.constant(file.sources(first)[1]) if first is not None and len(file.sources(first)) > 1 else None
    shape = file.shape(result)
    outputs = [Output(file.names[index], file.shape(index), _kind(file, index)) for index in file.outputs]
    read = {index for operator in file.operators for index in file.sources(operator)}
    more = seems_by_inputs([(file.names[i], file.shape(i)) for i in file.inputs if i != source and i in read])
    finds_boxes = bool(file.all_ops() & set(_FINDS_BOXES)) or file.has_custom("Detection_PostProcess")
    return Evidence(
        what="a TensorFlow Lite file", shape=file.shape(source), shape_why="the input's shape",
        dtype=file.dtype(source), names="\n".join(file.names), input_layer=file.names[source],
        input_why="--input_layer" if input_layer else _why(file.inputs, "input"),
        output_layer=file.names[result], output_why="--output_layer" if output_layer else _why(file.outputs, "output"),
        output="unset" if _unset(file) else _kind(file, result), outputs=max(shape[-1], 0) if shape else 0,
        affine=affine if affine.changes else None, calibrated=range_name,
        kernel_rms=root_mean_square(kernel),
        resizes=any(file.op(op) in _RESIZES and source in file.sources(op) for op in file.operators[:3]),
        range=stated, seems=more or seems(outputs[file.outputs.index(result)], outputs, finds_boxes=finds_boxes),
        others=tuple(outputs), labels=labels, labels_why=f"{inside} inside the file" if labels else "",
    )  # fmt: skip


def _unset(file: TfliteFile) -> bool:
    """Whether it reads variables that nothing in it sets: what they hold then is whatever stood in the memory before."""
    ops = file.all_ops()
    return "READ_VARIABLE" in ops and "ASSIGN_VARIABLE" not in ops


def _why(tensors: list[int], what: str) -> str:
    return f"its only {what}" if len(tensors) == 1 else f"the likeliest of its {len(tensors)} {what}s"


def _chosen(file: TfliteFile, tensors: list[int], typed: str, flag: str) -> int:
    """The tensor typed, or else the likeliest: an image has most dimensions, scores have few and end in a softmax."""
    if typed:
        exact = [index for index in tensors if file.names[index] == typed]
        near = [i for i in tensors if typed.split(":", maxsplit=1)[0] in (file.names[i], file.names[i].split(":")[0])]
        if found := exact or near:
            return found[0]
        has = ", ".join(file.names[index] for index in tensors)
        raise UserError(f"--{flag}={typed} is not in {file.path}; it has {has}")
    if not tensors:
        raise RunError(f"cannot use {file.path}: it has no {flag.removesuffix('_layer')}")
    if flag == "input_layer":
        return max(tensors, key=lambda index: len(file.shape(index)))
    return max(tensors, key=lambda i: (len(file.shape(i)) <= 2, _kind(file, i) in ("probabilities", "sigmoid")))


def _kind(file: TfliteFile, tensor: int) -> str:
    """What the numbers are, by the operator that makes them."""
    for _ in range(12):
        operator = file.writers.get(tensor)
        if operator is None:
            return "as is"
        op, sources = file.op(operator), file.sources(operator)
        if op in _POOLS and _is_activated(file, sources[0]):
            return "features"
        if op in ("FULLY_CONNECTED", "CONV_2D") and file.activated(operator):
            return "features"
        if op in ("DIV", "MUL"):
            return "probabilities" if _is(file, sources[0], "EXP") else "as is"
        if op not in _PASS_ON:
            return _KINDS.get(op, "as is")
        tensor = sources[0]
    return "as is"


def _is_activated(file: TfliteFile, tensor: int) -> bool:
    """Whether a tensor comes out of an activation, as features do."""
    operator = file.writers.get(tensor)
    if operator is None:
        return False
    if file.op(operator) in _PASS_ON:
        return _is_activated(file, file.sources(operator)[0])
    return file.op(operator) in _ACTIVATIONS or file.activated(operator)


def _is(file: TfliteFile, tensor: int, op: str) -> bool:
    return tensor in file.writers and file.op(file.writers[tensor]) == op


def _from_the_input(file: TfliteFile, source: int) -> tuple[Affine, str, Any]:
    """What the first operators do to the pixels.

    Returns:
      the arithmetic; the range that a QUANTIZE behind it was made for, "" where none tells; the first operator that is more.
    """
    found, at, range_name = Affine(), source, ""
    for _ in range(12):
        readers = [op for op in file.operators if at in file.sources(op) and file.op(op) not in _LOOKS]
        operator = readers[0] if readers else None
        if operator is None:
            return found, range_name, None
        op, sources = file.op(operator), file.sources(operator)
        result = int(file.indices(operator.OutputsAsNumpy())[0])
        if op in _SUMS:
            other = file.numbers(sources[1] if sources[0] == at else sources[0])
            done = None
            if other is not None and len(readers) == 1:
                done = after(found, op, other, first=sources[0] == at, name=op)
            if done is None:
                return found, range_name, operator
            found = done
            if file.activated(operator):
                return found, range_name, None
        elif op == "QUANTIZE" and file.dtype(at) == "float32":
            range_name = range_name or calibrated(found, *file.limits(result))
        elif _turns(file, op, sources):
            found = turned_round(found)
        elif op not in (*_PASS_ON, *_RESIZES, "PAD", "PADV2", "MIRROR_PAD"):
            return found, range_name, operator
        at = result
    return found, range_name, None


def _turns(file: TfliteFile, op: str, sources: list[int]) -> bool:
    """Whether an operator puts the last axis, the channels, into the opposite order."""
    if op == "REVERSE_V2":
        axes = file.numbers(sources[1])
        return axes is not None and axes.size == 1 and int(axes.reshape(-1)[0]) in (-1, 3)
    if op == "STRIDED_SLICE" and len(sources) == 4:
        strides = file.numbers(sources[3])
        return strides is not None and strides.size > 0 and int(strides.reshape(-1)[-1]) == -1
    return False
