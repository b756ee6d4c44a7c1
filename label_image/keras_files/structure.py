"""Reads the JSON that describes a Keras network: its layers, and which reads which.

Keras itself imports and calls what a file names. Here a name is a word that is looked up: a kind that is not in the table, a
module that is not Keras's, a registered class of somebody else's are refused by name, before anything is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from label_image.keras_files.layers import KINDS
from label_image.keras_files.operations import operation

MODELS = ("Functional", "Model", "Sequential")
_KERAS = re.compile(r"(keras|tf_keras|tensorflow|builtins)(\.\w+)*")  # Keras 2 has some initialisers of TensorFlow
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
_SHORT = 60  # letters of a foreign name in a message


class ForeignError(ValueError):
    """The file holds what is not read here; the text says what, and ends without a stop."""


@dataclass(frozen=True)
class Ref:
    """A tensor: which output of which call of which layer."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True)
class Call:
    """One use of a layer: its arguments, in which each tensor is a Ref."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """A layer or an operation, or a network used as one."""

    kind: str
    name: str
    config: dict[str, Any]
    calls: tuple[Call, ...]
    inner: Network | None = None


@dataclass(frozen=True)
class Network:
    """A Functional or Sequential model."""

    kind: str
    name: str
    layers: tuple[Layer, ...]
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]
    trainable: bool = True


def network(described: Any) -> Network:
    """Reads `model_config` or `config.json`.

    Raises:
      ForeignError: something in it is not on our lists; named.
      KeyError, TypeError, ValueError, IndexError, AttributeError: it is damaged.
    """
    kind = str(described["class_name"])
    _check_origin(described, "its network")
    if kind not in MODELS:
        raise ForeignError(f"its network is of the class {_said(kind)}, which only its maker's code can build")
    config = described["config"]
    if isinstance(config, list):  # Keras before 2.3 wrote a Sequential so
        config = {"name": "sequential", "layers": config}
    if kind == "Sequential" and "input_layers" not in config:
        return _sequential(config)
    return _functional(config, kind)


def _functional(config: dict[str, Any], kind: str) -> Network:
    layers = tuple(_layer(entry) for entry in _bounded(config["layers"]))
    if len({layer.name for layer in layers}) != len(layers):
        raise ForeignError("two of its layers have one name")
    inputs, outputs = tuple(_ends(config["input_layers"])), tuple(_ends(config["output_layers"]))
    found = Network(
        kind, str(config.get("name", "model")), layers, inputs, outputs, config.get("trainable", True) is not False
    )
    return _counted_from_zero(found)


def _sequential(config: dict[str, Any]) -> Network:
    """A chain; where it has no input layer, one of the shape that its first layer tells."""
    entries = list(_bounded(config["layers"]))
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
        raise ForeignError("two of its layers have one name" if chain else "it has no layers")
    ends = (Ref(chain[0].name, 0, 0),), (Ref(chain[-1].name, 0, 0),)
    return Network("Sequential", name, tuple(chain), *ends, config.get("trainable", True) is not False)


def _first_shape(layer: Layer, config: dict[str, Any]) -> Any:
    shape = layer.config.get("batch_input_shape") or layer.config.get("batch_shape") or config.get("build_input_shape")
    if shape is None and layer.inner is not None:
        first = next(inside for inside in layer.inner.layers if inside.name == layer.inner.inputs[0].layer)
        shape = input_shape(first.config)
    if shape is None:
        raise ForeignError("it does not say what size of picture it takes")
    return shape


def input_shape(config: dict[str, Any]) -> Any:
    """The shape with the batch that an InputLayer tells; None if it tells none."""
    return config.get("batch_shape") or config.get("batch_input_shape")


def _layer(entry: Any) -> Layer:
    kind, config = str(entry["class_name"]), entry["config"]
    name = str(entry.get("name") or (config.get("name") if isinstance(config, dict) else "") or kind)
    _check_origin(entry, f"its layer {_said(name)}")
    calls = tuple(_calls(entry.get("inbound_nodes") or []))
    if kind in MODELS:
        return Layer(kind, name, {}, calls, network(entry))
    try:
        if kind not in KINDS and operation(kind, config) is None:
            raise ForeignError(_refusal(kind, name))
    except ValueError as error:
        raise ForeignError(str(error)) from None
    for inside in _dictionaries(config):
        _check_origin(inside, f"its layer {_said(name)}")
    _check_precision(config.get("dtype"), name)
    if kind == "InputLayer" and not calls:
        calls = (Call((), {}),)
    return Layer(kind, name, config, calls)


def _refusal(kind: str, name: str) -> str:
    if "Lambda" in kind:
        return f"its layer {_said(name)} is a {kind}: Python code that the file brings along, which is not run here"
    return f"its layer {_said(name)} is of the kind {_said(kind)}, which is not among those that are read here"


def _check_origin(entry: dict[str, Any], what: str) -> None:
    """Refuses what is not said to be Keras's own. It would not be imported anyway, but it can not mean what we build."""
    module, registered = entry.get("module"), entry.get("registered_name")
    if module is not None and not (isinstance(module, str) and _KERAS.fullmatch(module)):
        raise ForeignError(f"it names the module {_said(str(module))}, which is not Keras's, for {what}")
    if isinstance(registered, str) and ">" in registered and registered not in KINDS:
        raise ForeignError(f"it needs {_said(registered)}, a class of its maker's own")


def _check_precision(dtype: Any, layer: str) -> None:
    name = dtype.get("config", {}).get("name") if isinstance(dtype, dict) else dtype
    if name is not None and name not in _PRECISIONS:
        raise ForeignError(f"its layer {_said(layer)} computes in {_said(str(name))}, which is not read here")


def _dictionaries(value: Any) -> Iterator[dict[str, Any]]:
    """All dictionaries within a value that name a class, the value itself left out of count if it names none."""
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
    """Keras 3 writes arguments, Keras 2 lists of [layer, call, output, keywords]."""
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
    """An argument of Keras 3: tensors as Refs, constants as lists, the rest as it stands."""
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
    """["a", 0, 0], [["a", 0, 0], ...] or a dictionary of such."""
    if _is_ref(listed):
        yield Ref(str(listed[0]), int(listed[1]), int(listed[2]))
        return
    for inside in listed.values() if isinstance(listed, dict) else listed:
        yield from _ends(inside)


def _counted_from_zero(found: Network) -> Network:
    """Keras 2 counts the calls of a network in a network from 1: its own making is call 0."""
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
    return Network(found.kind, found.name, layers, found.inputs, moved(found.outputs), found.trainable)


def refs_in(value: Any) -> Iterator[Ref]:
    """All tensors that an argument holds."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, (tuple, list)):
        for inside in value:
            yield from refs_in(inside)
    elif isinstance(value, dict):
        for inside in value.values():
            yield from refs_in(inside)


def _bounded(layers: Any) -> list[Any]:
    if not isinstance(layers, list) or len(layers) > _MOST_LAYERS:
        raise ForeignError("its list of layers is none, or too long to be one")
    return layers


def _said(text: str) -> str:
    return repr(text if len(text) <= _SHORT else f"{text[:_SHORT]}...")
