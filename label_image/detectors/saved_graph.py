"""Reads saved_model.pb: which graph it holds, what goes in and comes out, and under which key each variable's values lie.

TensorFlow's own loader runs what the folder brings along: functions that restore and that initialise. Here the graph that gives
the scores is cut out and nothing else is kept; what values its variables have is read from the checkpoint by ourselves.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_image.allowed_operations import LEFT_OVER, VARIABLES, check_operations
from label_image.errors import RunError

_CALL = "label_image_call"  # our own node, which calls the object
_HIDDEN = ("__saved_model_init_op", "__saved_model_train_op")
_RESOURCE = 20  # of tensorflow.DataType
_ON_DISK = (
    "Print",
    "PrintV2",
    *(op for op in sorted(LEFT_OVER) if op.startswith(("Save", "Merge", "Restore", "Initialize"))),
)
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


@dataclass(frozen=True)
class End:
    """An input or output: what the format calls it, its tensor, its DataType, its shape (None: unknown, -1: any)."""

    key: str
    tensor: str
    dtype: int
    shape: tuple[int, ...] | None

    @property
    def is_floating(self) -> bool:
        """Whether it is float32, float64, half or bfloat16."""
        return self.dtype in (1, 2, 14, 19)


@dataclass(frozen=True)
class SavedGraph:
    """One function of a SavedModel as a graph of its own.

    Args:
      graph_def: the nodes that its outputs need, and the functions that these call.
      objects: variable node -> id of its object in the SavedModel; those of TensorFlow 1 have none.
    """

    graph_def: Any
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    why: str
    objects: dict[str, int]


def read_meta_graph(folder: Path, tags: tuple[str, ...] = ("serve",)) -> Any:
    """The MetaGraphDef for labelling.

    Raises:
      RunError: the file does not read, or uses an operation that does more than compute.
    """
    from label_image.runners.tensorflow import parse_saved_model

    saved = parse_saved_model(folder)
    graphs = sorted(
        saved.meta_graphs, key=lambda meta: (set(meta.meta_info_def.tags) != set(tags), len(meta.meta_info_def.tags))
    )
    if not graphs:
        raise RunError(f"cannot use {folder}: its saved_model.pb holds no graph")
    check_operations(graphs[0].graph_def, folder)
    return graphs[0]


def signatures(meta: Any) -> list[str]:
    """The names of what can be asked for."""
    return [
        name
        for name, found in sorted(meta.signature_def.items())
        if name not in _HIDDEN and found.inputs and found.outputs
    ]


def by_signature(meta: Any, folder: Path, wanted: Iterable[str]) -> SavedGraph | None:
    """The first signature of those wanted, or else the first; None if there is none."""
    there = signatures(meta)
    name = next((name for name in (*wanted, *there) if name in there), None)
    if name is None:
        return None
    signature = meta.signature_def[name]
    ends = tuple(
        tuple(End(key, info.name, info.dtype, _shape(info.tensor_shape)) for key, info in sorted(side.items()))
        for side in (signature.inputs, signature.outputs)
    )
    graph = type(meta.graph_def)()
    graph.CopyFrom(meta.graph_def)
    return _cut(graph, folder, SavedGraph(graph, ends[0], ends[1], f"signature {name}", _objects(meta, graph)))


def by_call(meta: Any, folder: Path) -> SavedGraph | None:
    """What the object is when it is called with one picture, not in training; None if it can not be."""
    nodes = meta.object_graph_def.nodes
    call = (
        next((child.node_id for child in nodes[0].children if child.local_name == "__call__"), None) if nodes else None
    )
    if call is None:
        return None
    library = {function.signature.name: function for function in meta.graph_def.library.function}
    for name in nodes[call].function.concrete_functions:
        concrete, function = meta.object_graph_def.concrete_functions[name], library.get(name)
        if function is None:
            continue
        own = len(function.signature.input_arg) - len(concrete.bound_inputs)
        if own == 1 and True not in _switches(concrete.canonicalized_input_signature):
            return _calling(meta, folder, name, function, list(concrete.bound_inputs))
    return None


def _calling(meta: Any, folder: Path, name: str, function: Any, bound: list[int]) -> SavedGraph:
    """A graph with one node that calls a function, with a placeholder and what it is bound to as its inputs."""
    graph = type(meta.graph_def)()
    graph.CopyFrom(meta.graph_def)
    first, *captured = function.signature.input_arg
    shape = next(iter(_shapes(meta.object_graph_def.concrete_functions[name].canonicalized_input_signature)), None)
    source = graph.node.add(op="Placeholder", name="input")
    source.attr["dtype"].type = first.type
    _write_shape(source.attr["shape"].shape, shape)
    inputs, objects = ["input"], {}
    for argument, number in zip(captured, bound, strict=True):
        item = meta.object_graph_def.nodes[number]
        if item.WhichOneof("kind") == "constant":
            inputs.append(item.constant.operation)
            continue
        if item.WhichOneof("kind") != "variable" or argument.type != _RESOURCE:
            raise RunError(
                f"cannot use {folder}: it needs a {item.WhichOneof('kind')} beside its weights, which is not read here"
            )
        node = graph.node.add(op="VarHandleOp", name=f"{_CALL}/variable_{number}")
        node.attr["dtype"].type = item.variable.dtype
        node.attr["shape"].shape.CopyFrom(item.variable.shape)
        node.attr["shared_name"].s = node.name.encode()
        inputs.append(node.name)
        objects[node.name] = number
    node = graph.node.add(op="StatefulPartitionedCall", name=_CALL, input=inputs)
    node.attr["Tin"].list.type.extend(argument.type for argument in function.signature.input_arg)
    node.attr["Tout"].list.type.extend(argument.type for argument in function.signature.output_arg)
    node.attr["f"].func.name = name
    outputs = tuple(
        End(key, f"{_CALL}:{at}", argument.type, None)
        for at, (key, argument) in enumerate(
            zip(_output_keys(meta, name, function), function.signature.output_arg, strict=True)
        )
    )
    ends = (End("input", "input:0", first.type, shape),)
    return _cut(graph, folder, SavedGraph(graph, ends, outputs, "the object when called", objects))


def _output_keys(meta: Any, name: str, function: Any) -> list[str]:
    structure = meta.object_graph_def.concrete_functions[name].output_signature
    keys = sorted(structure.dict_value.fields) if structure.WhichOneof("kind") == "dict_value" else []
    arguments = function.signature.output_arg
    return keys if len(keys) == len(arguments) else [argument.name for argument in arguments]


def _cut(graph: Any, folder: Path, saved: SavedGraph) -> SavedGraph:
    """Leaves the nodes that the outputs need, and the functions that these call; they may only compute and read variables."""
    nodes = {node.name: node for node in graph.node}
    library = {function.signature.name: function for function in graph.library.function}
    names = _reached(
        {_bare(end.tensor) for end in saved.outputs}, lambda name: map(_bare, nodes[name].input), nodes, folder
    )
    called = {value for name in names for value in _called(nodes[name], library)}
    functions = _reached(
        called,
        lambda name: [value for node in library[name].node_def for value in _called(node, library)],
        library,
        folder,
    )
    kept = type(graph)()
    kept.versions.CopyFrom(graph.versions)
    kept.node.extend(node for node in graph.node if node.name in names)
    kept.library.function.extend(library[name] for name in sorted(functions))
    check_operations(kept, folder, VARIABLES)
    _rename_functions(kept)
    objects = {name: number for name, number in saved.objects.items() if name in names}
    return SavedGraph(kept, saved.inputs, saved.outputs, saved.why, objects)


_NUMBERS = itertools.count()


def _rename_functions(graph: Any) -> None:
    """Names that no other graph of this process has: TensorFlow keeps functions for as long as it runs."""
    mark = f"opened_{next(_NUMBERS)}_"
    names = {function.signature.name for function in graph.library.function}
    for node in (*graph.node, *(node for function in graph.library.function for node in function.node_def)):
        if node.op in names:
            node.op = mark + node.op
        for value in node.attr.values():
            kind = value.WhichOneof("value")
            for function in [value.func] if kind == "func" else value.list.func if kind == "list" else ():
                function.name = mark + function.name
    for function in graph.library.function:
        function.signature.name = mark + function.signature.name


def _reached(start: set[str], next_of: Any, there: dict[str, Any], folder: Path) -> set[str]:
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        if at not in there:
            raise RunError(f"cannot use {folder}: its graph names {at[:80]!r}, which is not in it")
        seen.add(at)
        waiting += next_of(at)
    return seen


def _called(node: Any, library: dict[str, Any]) -> Iterator[str]:
    """The functions that a node calls."""
    if node.op in library:
        yield node.op
    for value in node.attr.values():
        kind = value.WhichOneof("value")
        for function in [value.func] if kind == "func" else value.list.func if kind == "list" else ():
            yield function.name


def _objects(meta: Any, graph: Any) -> dict[str, int]:
    """Variable node -> id of its object: a function that is called knows the objects that it is bound to."""
    functions = meta.object_graph_def.concrete_functions
    found: dict[str, int] = {}
    for node in graph.node:
        name = node.attr["f"].func.name if node.op in ("StatefulPartitionedCall", "PartitionedCall") else ""
        bound = list(functions[name].bound_inputs) if name in functions else []
        data = [_bare(text) for text in node.input if not text.startswith("^")]
        found.update(zip(data[len(data) - len(bound) :], bound, strict=False))
    return found


def restored_keys(graph_def: Any) -> dict[str, str]:
    """Variable node -> key in the checkpoint, as the graph of TensorFlow 1 would restore them; it is read, not run."""
    nodes = {node.name: node for node in graph_def.node}
    found: dict[str, str] = {}
    for node in graph_def.node:
        if node.op not in ("Assign", "AssignVariableOp") or len(node.input) < 2:
            continue
        source = node.input[1]
        for _ in range(4):
            if _bare(source) in nodes and nodes[_bare(source)].op == "Identity":
                source = nodes[_bare(source)].input[0]
        at = nodes.get(_bare(source))
        if at is None or at.op != "RestoreV2" or _bare(at.input[1]) not in nodes:
            continue
        names = nodes[_bare(at.input[1])].attr["value"].tensor.string_val
        number = int(source.partition(":")[2] or 0)
        if number < len(names):
            found[_bare(node.input[0])] = names[number].decode("utf-8", "replace")
    return found


def checkpoint_keys(meta: Any, data: bytes, parse: Any) -> dict[int, str]:
    """Object's id in the SavedModel -> its key in the checkpoint; both are walked by the same names.

    Args:
      meta: the MetaGraphDef.
      data: the checkpoint's own table of objects.
      parse: the protobuf class for it, TrackableObjectGraph.
    """
    saved, kept = meta.object_graph_def.nodes, parse.FromString(data).nodes
    found: dict[int, str] = {}
    waiting, seen = [(0, 0)], {(0, 0)}
    while waiting and saved and kept:
        at, there = waiting.pop()
        for attribute in kept[there].attributes:
            found.setdefault(at, attribute.checkpoint_key)
        names = {child.local_name: child.node_id for child in kept[there].children}
        for child in saved[at].children:
            pair = (child.node_id, names.get(child.local_name, -1))
            if pair[1] >= 0 and pair not in seen:
                seen.add(pair)
                waiting.append(pair)
    return found


def check_to_run(meta: Any, folder: Path) -> None:
    """Refuses a module that TensorFlow's own loader could not load without running more than computations.

    It is for fine-tuning, where the objects themselves are needed. The loader runs the initialisers of tables and of assets.

    Raises:
      RunError: there is one, or it is a module of TensorFlow 1.
    """
    kinds = {node.WhichOneof("kind") for node in meta.object_graph_def.nodes}
    if not kinds or kinds & {"asset", "resource", "captured_tensor"} or meta.asset_file_def:
        raise RunError(
            f"cannot train {folder}: it brings tables or files, whose initialisers would be run; without --train it can be used"
        )
    check_operations(meta.graph_def, folder)
    for function in meta.graph_def.library.function:
        name = function.signature.name
        for node in function.node_def:
            if node.op in _ON_DISK and not name.startswith(
                ("__inference__traced_save_", "__inference__traced_restore_")
            ):
                raise RunError(f"cannot train {folder}: its function {name[:60]!r} would use files ({node.op})")


def _switches(structure: Any) -> list[bool]:
    """The booleans of a signature that are fixed."""
    kind = structure.WhichOneof("kind")
    if kind == "bool_value":
        return [structure.bool_value]
    return [value for inside in _parts(structure, kind) for value in _switches(inside)]


def _shapes(structure: Any) -> Iterator[tuple[int, ...] | None]:
    """The shapes of a signature's tensors."""
    kind = structure.WhichOneof("kind")
    if kind in ("tensor_spec_value", "bounded_tensor_spec_value"):
        yield _shape(getattr(structure, kind).shape)
    for inside in _parts(structure, kind):
        yield from _shapes(inside)


def _parts(structure: Any, kind: str | None) -> Iterable[Any]:
    if kind in ("list_value", "tuple_value"):
        return list(getattr(structure, kind).values)
    if kind == "dict_value":
        return [structure.dict_value.fields[key] for key in sorted(structure.dict_value.fields)]
    if kind == "named_tuple_value":
        return [pair.value for pair in structure.named_tuple_value.values]
    return ()


def _shape(shape: Any) -> tuple[int, ...] | None:
    return None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)


def _write_shape(shape: Any, sizes: tuple[int, ...] | None) -> None:
    if sizes is None:
        shape.unknown_rank = True
        return
    for size in sizes:
        shape.dim.add(size=size)


def _bare(text: str) -> str:
    return text.lstrip("^").split(":")[0]
