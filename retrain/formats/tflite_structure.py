"""A `.tflite` that we wrote, read as the strictest of its readers do: what LiteRT lets pass, another one stops at.

Not the numbers but the form: operator codes, their versions, where constants lie, the signature's names. It costs some
milliseconds, so every `.tflite` is verified before it takes its name.
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
    """Verifies the form of a `.tflite`.

    Args:
      path: the file.
      name: what it will be called, for the error.
      input_name: of the signature's input.
      output_name: the same for its output.

    Raises:
      RunError: with the first fault.
    """
    model = schema().Model.GetRootAs(path.read_bytes(), 0)
    fault = next(faults(model, input_name, output_name), None)
    if fault:
        raise RunError(f"the export {name} is wrong and was not kept: {fault}; please report this")


def faults(model: Any, input_name: str, output_name: str) -> Iterator[str]:
    """What is wrong with the form of a model (the schema's Model), in words."""
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
            yield f"operator {place}, {kind}, has version {code.Version()} where its types need {least}"
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
            yield f"buffer {place} lies behind the model, where old readers do not look"
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
