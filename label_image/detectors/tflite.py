"""Examines a `.tflite`: finds its input, output, size and first operations, and returns Evidence. Nothing is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from label_image.detectors import standard_metadata
from label_image.detectors.affine import ADD, DIV, MUL, SUB, Affine, after, calibrated_range, reverse_channels
from label_image.detectors.evidence import Evidence, Range, root_mean_square
from label_image.detectors.purpose import INDEX, Output, purpose_by_inputs, purpose_by_outputs
from label_image.detectors.tflite_file import DAMAGED, TfliteFile, damage
from label_image.errors import RunError, UserError
from label_image.model_file import ModelFile

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
_POOLS = ("MEAN", "AVERAGE_POOL_2D")  # after an activation their result is features, otherwise logits
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
_BOX_OPERATIONS = ("NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5")
_RESIZES = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
_ARITHMETIC = (ADD, SUB, MUL, DIV)
_INSPECTIONS = ("SHAPE", "RANK")


def evidence(source: Path | ModelFile, input_layer: str = "", output_layer: str = "") -> Evidence:
    """Collects the evidence in a `.tflite`.

    Args:
      source: the file, or its content if it was already read.
      input_layer: the input tensor that the user named; "" to find it.
      output_layer: the same for the scores.

    Raises:
      UserError: a named tensor does not exist; the message lists the candidates.
      RunError: the file is damaged.
    """
    file = TfliteFile(source)
    try:
        return _evidence(file, input_layer, output_layer)
    except DAMAGED as error:
        raise RunError(f"cannot read {file.path}: the .tflite is damaged ({damage(error)})") from None


def _evidence(file: TfliteFile, input_layer: str, output_layer: str) -> Evidence:
    source = _chosen(file, file.inputs, input_layer, "input_layer")
    result = _chosen(file, file.outputs, output_layer, "output_layer")
    if file.dtype(source) == "string":
        raise RunError(f"cannot use {file.path}: its input is text or files; photos need numbers")
    said = standard_metadata.read(file.entry(standard_metadata.NAME))
    labels, inside = standard_metadata.packed_labels(file.file, said.labels_file)
    stated = None
    if said.mean and said.std:
        stated = Range(said.mean, said.std, "TFLite metadata inside the file", order="grey" if said.grey else "RGB")
    affine, range_name, first = _first_arithmetic(file, source)
    kernel = file.constant(file.sources(first)[1]) if first is not None and len(file.sources(first)) > 1 else None
    shape = file.shape(result)
    outputs = [Output(file.names[index], file.shape(index), _kind(file, index)) for index in file.outputs]
    read = {index for operator in file.operators for index in file.sources(operator)}
    more = purpose_by_inputs([(file.names[i], file.shape(i)) for i in file.inputs if i != source and i in read])
    finds_boxes = bool(file.all_ops() & set(_BOX_OPERATIONS)) or file.has_custom("Detection_PostProcess")
    return Evidence(
        what="a TensorFlow Lite file", shape=file.shape(source), shape_why="the input's shape",
        dtype=file.dtype(source), names="\n".join(file.names), input_layer=file.names[source],
        input_why="--input_layer" if input_layer else _why(file.inputs, "input"),
        output_layer=file.names[result], output_why="--output_layer" if output_layer else _why(file.outputs, "output"),
        output="unset" if _has_unset_variables(file) else _kind(file, result), outputs=max(shape[-1], 0) if shape else 0,
        affine=affine if affine.changes else None, calibrated=range_name,
        kernel_rms=root_mean_square(kernel),
        resizes=any(file.op(op) in _RESIZES and source in file.sources(op) for op in file.operators[:3]),
        range=stated, other_purpose=more or purpose_by_outputs(outputs[file.outputs.index(result)], outputs, finds_boxes=finds_boxes),
        others=tuple(outputs), labels=labels, labels_why=f"{inside} inside the file" if labels else "",
    )  # fmt: skip


def _has_unset_variables(file: TfliteFile) -> bool:
    """Whether it reads variables that it never assigns, so that their values are whatever was in memory before."""
    ops = file.all_ops()
    return "READ_VARIABLE" in ops and "ASSIGN_VARIABLE" not in ops


def _why(tensors: list[int], what: str) -> str:
    return f"its only {what}" if len(tensors) == 1 else f"the most likely of its {len(tensors)} {what}s"


def _chosen(file: TfliteFile, tensors: list[int], typed: str, flag: str) -> int:
    """Chooses the named tensor, or else the most likely: images have most dimensions, scores have few and come from a softmax."""
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
    """What a tensor means, judging by the operator that computes it."""
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
            return "probabilities" if _is_made_by(file, sources[0], "EXP") else "as is"
        if op not in _PASS_ON:
            return _KINDS.get(op, "as is")
        tensor = sources[0]
    return "as is"


def _is_activated(file: TfliteFile, tensor: int) -> bool:
    """Whether a tensor is the result of an activation, as with features."""
    operator = file.writers.get(tensor)
    if operator is None:
        return False
    if file.op(operator) in _PASS_ON:
        return _is_activated(file, file.sources(operator)[0])
    return file.op(operator) in _ACTIVATIONS or file.activated(operator)


def _is_made_by(file: TfliteFile, tensor: int, op: str) -> bool:
    return tensor in file.writers and file.op(file.writers[tensor]) == op


def _first_arithmetic(file: TfliteFile, source: int) -> tuple[Affine, str, Any]:
    """Reads the arithmetic that the first operators apply to the pixels.

    Returns:
      the affine function; the range for which a following QUANTIZE was calibrated, or ""; the first operator that is not arithmetic.
    """
    found, at, range_name = Affine(), source, ""
    for _ in range(12):
        readers = [op for op in file.operators if at in file.sources(op) and file.op(op) not in _INSPECTIONS]
        operator = readers[0] if readers else None
        if operator is None:
            return found, range_name, None
        op, sources = file.op(operator), file.sources(operator)
        result = int(file.indices(operator.OutputsAsNumpy())[0])
        if op in _ARITHMETIC:
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
            range_name = range_name or calibrated_range(found, *file.limits(result))
        elif _reverses_channels(file, op, sources):
            found = reverse_channels(found)
        elif op not in (*_PASS_ON, *_RESIZES, "PAD", "PADV2", "MIRROR_PAD"):
            return found, range_name, operator
        at = result
    return found, range_name, None


def _reverses_channels(file: TfliteFile, op: str, sources: list[int]) -> bool:
    """Whether an operator reverses the last axis, which is the channels."""
    if op == "REVERSE_V2":
        axes = file.numbers(sources[1])
        return axes is not None and axes.size == 1 and int(axes.reshape(-1)[0]) in (-1, 3)
    if op == "STRIDED_SLICE" and len(sources) == 4:
        strides = file.numbers(sources[3])
        return strides is not None and strides.size > 0 and int(strides.reshape(-1)[-1]) == -1
    return False
