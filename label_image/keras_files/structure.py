"""Reads the JSON that describes a Keras network: its layers, and how they are connected.

Keras itself imports and calls what a file names. Here names are only looked up: an unknown kind of layer, a module that is not part
of Keras and a custom registered class are refused by name before anything is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from label_image.keras_files.layers import KINDS
from label_image.keras_files.operations import operation

MODELS = ("Functional", "Model", "Sequential")
_KERAS = re.compile(r"(keras|tf_keras|tensorflow|builtins)(\.\w+)*")  # Keras 2 uses some initialisers of TensorFlow
_MOST_LAYERS, _MOST_CALLS = 10_000, 50_000  # NASNetLarge has 1,040 layers
_PRECISIONS = (
    "float32",
    "float16",
    "bfloat16",
    "float64",
    "mixed_float16",
    "mixed_bfloat16",
    "uint8",
    "int32",
    "int64",
)
_SHORT = 60  # characters of a name from the file that a message shows


class ForeignError(ValueError):
    """The file contains something unsupported; the message says what, and has no full stop at its end."""


@dataclass(frozen=True)
class Ref:
    """A reference to a tensor: the layer, the number of its call, and the number of the output."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True)
class Call:
    """One call of a layer: its arguments, with a Ref for each tensor."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """A layer, an operation, or a network that is used as a layer."""

    kind: str
    name: str
    config: dict[str, Any]
    calls: tuple[Call, ...]
    inner: KerasNetwork | None = None


@dataclass(frozen=True)
class KerasNetwork:
    """A Functional or Sequential model."""

    kind: str
    name: str
    layers: tuple[Layer, ...]
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]
    trainable: bool = True


def network(described: Any) -> KerasNetwork:
    """Reads `model_config` or `config.json`.

    Raises:
      ForeignError: it contains something that is not on our lists; the message names it.
      KeyError, TypeError, ValueError, IndexError, AttributeError: the description is damaged.
    """
    kind = str(described["class_name"])
    _check_origin(described, "its network")
    if kind not in MODELS:
        raise ForeignError(f"its network has the class {_quoted(kind)}, which needs the code of its author")
    config = described["config"]
    if isinstance(config, list):  # how Keras before 2.3 wrote a Sequential
        config = {"name": "sequential", "layers": config}
    if kind == "Sequential" and "input_layers" not in config:
        return _sequential(config)
    return _functional(config, kind)


def _functional(config: dict[str, Any], kind: str) -> KerasNetwork:
    layers = tuple(_layer(entry) for entry in _checked_layers(config["layers"]))
    if len({layer.name for layer in layers}) != len(layers):
        raise ForeignError("two of its layers have the same name")
    inputs, outputs = tuple(_ends(config["input_layers"])), tuple(_ends(config["output_layers"]))
    found = KerasNetwork(
        kind, str(config.get("name", "model")), layers, inputs, outputs, config.get("trainable", True) is not False
    )
    return _renumbered(found)


def _sequential(config: dict[str, Any]) -> KerasNetwork:
    """Reads a chain of layers; if it has no input layer, adds one with the shape that the first layer states."""
    entries = list(_checked_layers(config["layers"]))
    name = str(config.get("name", "sequential"))
    chain: list[Layer] = []
    for entry in entries:
        before = (Call((Ref(chain[-1].name, 0, 0),), {}),) if chain else ()
        layer = _layer({**entry, "inbound_nodes": []})
        if not chain and layer.kind != "InputLayer":
            chain.append(Layer("InputLayer", "\0input", {"batch_shape": _first_shape(layer, config)}, (Call((), {}),)))
            before = (Call((Ref("\0input", 0, 0),), {}),)
        elif not chain:
            before = (Call((), {}),)
        chain.append(Layer(layer.kind, layer.name, layer.config, before, layer.inner))
    if len({layer.name for layer in chain}) != len(chain) or not chain:
        raise ForeignError("two of its layers have the same name" if chain else "it has no layers")
    ends = (Ref(chain[0].name, 0, 0),), (Ref(chain[-1].name, 0, 0),)
    return KerasNetwork("Sequential", name, tuple(chain), *ends, config.get("trainable", True) is not False)


def _first_shape(layer: Layer, config: dict[str, Any]) -> Any:
    shape = layer.config.get("batch_input_shape") or layer.config.get("batch_shape") or config.get("build_input_shape")
    if shape is None and layer.inner is not None:
        first = next(inside for inside in layer.inner.layers if inside.name == layer.inner.inputs[0].layer)
        shape = input_shape(first.config)
    if shape is None:
        raise ForeignError("it does not state the size of its input")
    return shape


def input_shape(config: dict[str, Any]) -> Any:
    """The shape that an InputLayer states, batch included; None if it states none."""
    return config.get("batch_shape") or config.get("batch_input_shape")


def _layer(entry: Any) -> Layer:
    kind, config = str(entry["class_name"]), entry["config"]
    name = str(entry.get("name") or (config.get("name") if isinstance(config, dict) else "") or kind)
    _check_origin(entry, f"its layer {_quoted(name)}")
    calls = tuple(_calls(entry.get("inbound_nodes") or []))
    if kind in MODELS:
        return Layer(kind, name, {}, calls, network(entry))
    try:
        if kind not in KINDS and operation(kind, config) is None:
            raise ForeignError(_refusal(kind, name))
    except ValueError as error:
        raise ForeignError(str(error)) from None
    for inside in _dictionaries(config):
        _check_origin(inside, f"its layer {_quoted(name)}")
    _check_precision(config.get("dtype"), name)
    if kind == "InputLayer" and not calls:
        calls = (Call((), {}),)
    return Layer(kind, name, config, calls)


def _refusal(kind: str, name: str) -> str:
    if "Lambda" in kind:
        return f"its layer {_quoted(name)} is a {kind}: Python code inside the file, which is never run"
    return f"its layer {_quoted(name)} is of the kind {_quoted(kind)}, which is not supported"


def _check_origin(entry: dict[str, Any], what: str) -> None:
    """Refuses an entry that is not part of Keras. Its code would not be imported anyway, but what we build could differ from it."""
    module, registered = entry.get("module"), entry.get("registered_name")
    if module is not None and not (isinstance(module, str) and _KERAS.fullmatch(module)):
        raise ForeignError(f"it names the module {_quoted(str(module))}, which is not part of Keras, for {what}")
    if isinstance(registered, str) and ">" in registered and registered not in KINDS:
        raise ForeignError(f"it needs {_quoted(registered)}, a custom class of its author")


def _check_precision(dtype: Any, layer: str) -> None:
    name = dtype.get("config", {}).get("name") if isinstance(dtype, dict) else dtype
    if name is not None and name not in _PRECISIONS:
        raise ForeignError(f"its layer {_quoted(layer)} computes in {_quoted(str(name))}, which is not supported")


def _dictionaries(value: Any) -> Iterator[dict[str, Any]]:
    """Yields all dictionaries inside a value that name a class or a module."""
    waiting = [value]
    while waiting:
        at = waiting.pop()
        if isinstance(at, dict):
            waiting += at.values()
            if "class_name" in at or "module" in at or "registered_name" in at:
                yield at
        elif isinstance(at, list):
            waiting += at


def _calls(nodes: list[Any]) -> Iterator[Call]:
    """Reads the calls of a layer: Keras 3 writes their arguments, Keras 2 lists of [layer, call, output, keywords]."""
    if len(nodes) > _MOST_CALLS:
        raise ForeignError(f"it uses one layer {len(nodes):,} times")
    for node in nodes:
        if isinstance(node, dict):
            yield Call(
                tuple(_with_refs(arg) for arg in node["args"]), {k: _with_refs(v) for k, v in node["kwargs"].items()}
            )
        elif _is_ref(node):
            yield Call((_source(node),), _keywords(node))
        else:
            sources = tuple(_source(entry) for entry in node)
            keywords = _keywords(node[-1]) if node else {}
            yield Call((sources if len(sources) > 1 else sources[0],) if sources else (), keywords)


def _source(entry: Any) -> Any:
    if entry[0] == "_CONSTANT_VALUE":
        return _with_refs(entry[2])
    return Ref(str(entry[0]), int(entry[1]), int(entry[2]))


def _keywords(entry: Any) -> dict[str, Any]:
    found = entry[3] if len(entry) > 3 else {}
    return {key: _source(value) if _is_ref(value) else value for key, value in found.items()}


def _is_ref(value: Any) -> bool:
    return isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str) and isinstance(value[1], int)


def _with_refs(value: Any) -> Any:
    """Converts an argument of Keras 3: tensors to Refs, constants to lists; other values are unchanged."""
    if isinstance(value, list):
        return tuple(_with_refs(inside) for inside in value)
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "__keras_tensor__":
        layer, call, output = value["config"]["keras_history"]
        return Ref(str(layer), int(call), int(output))
    if value.get("class_name") in ("__tensor__", "__numpy__"):
        return value["config"]["value"] if isinstance(value.get("config"), dict) else value["value"]
    if value.get("class_name") == "__tuple__":
        return tuple(_with_refs(inside) for inside in value["items"])
    return value


def _ends(listed: Any) -> Iterator[Ref]:
    """Yields the Refs in ["a", 0, 0], [["a", 0, 0], ...] or a dictionary of these."""
    if _is_ref(listed):
        yield Ref(str(listed[0]), int(listed[1]), int(listed[2]))
        return
    for inside in listed.values() if isinstance(listed, dict) else listed:
        yield from _ends(inside)


def _renumbered(found: KerasNetwork) -> KerasNetwork:
    """Renumbers calls from 0: Keras 2 counts the construction of a nested network as its call 0."""
    refs = [
        *found.outputs,
        *(ref for layer in found.layers for call in layer.calls for ref in refs_in((call.args, call.kwargs))),
    ]
    first: dict[str, int] = {}
    for ref in refs:
        first[ref.layer] = min(ref.call, first.get(ref.layer, ref.call))
    shifted = {layer.name: first.get(layer.name, 0) for layer in found.layers if layer.inner is not None}
    if not any(shifted.values()):
        return found

    def moved(value: Any) -> Any:
        if isinstance(value, Ref):
            return Ref(value.layer, value.call - shifted.get(value.layer, 0), value.output)
        if isinstance(value, tuple):
            return tuple(moved(inside) for inside in value)
        return {key: moved(inside) for key, inside in value.items()} if isinstance(value, dict) else value

    layers = tuple(
        Layer(a.kind, a.name, a.config, tuple(Call(moved(c.args), moved(c.kwargs)) for c in a.calls), a.inner)
        for a in found.layers
    )
    return KerasNetwork(found.kind, found.name, layers, found.inputs, moved(found.outputs), found.trainable)


def refs_in(value: Any) -> Iterator[Ref]:
    """Yields all Refs in an argument."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, (tuple, list)):
        for inside in value:
            yield from refs_in(inside)
    elif isinstance(value, dict):
        for inside in value.values():
            yield from refs_in(inside)


def _checked_layers(layers: Any) -> list[Any]:
    if not isinstance(layers, list) or len(layers) > _MOST_LAYERS:
        raise ForeignError("its list of layers is missing or too long")
    return layers


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _SHORT else f"{text[:_SHORT]}...")
