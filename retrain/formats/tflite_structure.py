"""Verifies the structure of a `.tflite` that we wrote, as strictly as its strictest readers; LiteRT accepts more than others.

It does not verify the numbers but the operator codes, their versions, the positions of constants and the names in the
signature. This takes a few milliseconds, so every `.tflite` is verified before it gets its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from label_image.errors import RunError
from retrain.formats.tflite_codes import needed, operator_name
from retrain.formats.tflite_model import ALIGNED, LAST_DEPRECATED, SIGNATURE, entries, is_aligned, schema


def check(path: Path, name: str, input_name: str, output_name: str) -> None:
    """Verifies the structure of a `.tflite`.

    Args:
      path: the file.
      name: its later name, for the error.
      input_name: the name of the signature's input.
      output_name: the name of the signature's output.

    Raises:
      RunError: with the first error that was found.
    """
    model = schema().Model.GetRootAs(path.read_bytes(), 0)
    fault = next(faults(model, input_name, output_name), None)
    if fault:
        raise RunError(f"the export {name} is wrong and was not kept: {fault}; please report this")


def faults(model: Any, input_name: str, output_name: str) -> Iterator[str]:
    """Yields a description of each error in the structure of a model (the schema's Model)."""
    graph = model.Subgraphs(0)
    tensors: dict[int, Any] = {}

    def tensor(index: int) -> Any:
        if index not in tensors:
            tensors[index] = schema().TensorT.InitFromObj(graph.Tensors(index))
        return tensors[index]

    used: Counter[int] = Counter()
    for place, packed in enumerate(entries(graph, "Operators")):
        used[packed.OpcodeIndex()] += 1
        code = model.OperatorCodes(packed.OpcodeIndex())
        kind = operator_name(code.BuiltinCode())
        least = needed(kind, schema().OperatorT.InitFromObj(packed), tensor)
        if code.Version() < least:
            yield f"operator {place}, {kind}, has version {code.Version()}, but its types need {least}"
    yield from _of_codes(model, used)
    yield from _of_buffers(model)
    yield from _of_signature(model, graph, input_name, output_name)


def _of_codes(model: Any, used: Counter[int]) -> Iterator[str]:
    for place, code in enumerate(entries(model, "OperatorCodes")):
        number, old = code.BuiltinCode(), code.DeprecatedBuiltinCode()
        if old != min(number, LAST_DEPRECATED):
            yield f"operator code {place}, {operator_name(number)}, is called {old} in the old field"
        if not used[place]:
            yield f"operator code {place}, {operator_name(number)}, is used by no operator"


def _of_buffers(model: Any) -> Iterator[str]:
    for place, buffer in enumerate(entries(model, "Buffers")):
        if buffer.Offset() > 1:
            yield f"buffer {place} lies behind the model, where old readers do not find it"
        if not is_aligned(buffer):
            yield f"buffer {place} does not begin at a multiple of {ALIGNED} bytes"


def _of_signature(model: Any, graph: Any, input_name: str, output_name: str) -> Iterator[str]:
    found = [
        (
            (one.SignatureKey() or b"").decode(),
            [((entry.Name() or b"").decode(), entry.TensorIndex()) for entry in entries(one, "Inputs")],
            [((entry.Name() or b"").decode(), entry.TensorIndex()) for entry in entries(one, "Outputs")],
        )
        for one in entries(model, "SignatureDefs")
    ]
    inputs, outputs = ([int(index) for index in these] for these in (graph.InputsAsNumpy(), graph.OutputsAsNumpy()))
    wanted = [(SIGNATURE, [(input_name, index) for index in inputs], [(output_name, index) for index in outputs])]
    if len(inputs) != 1 or len(outputs) != 1 or found != wanted:
        yield f"its signatures are {found}, not {wanted}"
