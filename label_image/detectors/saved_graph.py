"""Reads the graph, inputs and outputs of a SavedModel from saved_model.pb.

TensorFlow's own loader would run functions of the folder that restore and initialise. Here only the graph that computes the scores
is kept, and the values of its variables are read from the checkpoint without running anything.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_image.allowed_operations import LEFT_OVER, VARIABLES, check_operations
from label_image.detectors.checkpoint_keys import variable_objects
from label_image.detectors.net import bare
from label_image.detectors.signature_structure import fixed_booleans, shape_of, tensor_shapes, write_shape
from label_image.errors import RunError

_CALL = "label_image_call"  # the node that we add to call the object
_HIDDEN = ("__saved_model_init_op", "__saved_model_train_op")
_RESOURCE = 20  # of tensorflow.DataType
_FILE_OPERATIONS = (
    "Print",
    "PrintV2",
    *(op for op in sorted(LEFT_OVER) if op.startswith(("Save", "Merge", "Restore", "Initialize"))),
)
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


@dataclass(frozen=True)
class End:
    """An input or output: its key in the signature, tensor, DataType and shape (None: unknown rank, -1: any size)."""

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
      graph_def: the nodes that the outputs depend on, and the functions that these call.
      objects: variable node -> id of its object in the SavedModel; empty for a SavedModel of TensorFlow 1.
    """

    graph_def: Any
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    why: str
    objects: dict[str, int]


def read_meta_graph(folder: Path, tags: tuple[str, ...] = ("serve",)) -> Any:
    """Reads the MetaGraphDef for inference.

    Raises:
      RunError: the file cannot be parsed, or uses an operation that does more than compute.
    """
    from label_image.runners.tensorflow import parse_saved_model

    saved = parse_saved_model(folder)
    graphs = sorted(
        saved.meta_graphs, key=lambda meta: (set(meta.meta_info_def.tags) != set(tags), len(meta.meta_info_def.tags))
    )
    if not graphs:
        raise RunError(f"cannot use {folder}: its saved_model.pb contains no graph")
    check_operations(graphs[0].graph_def, folder)
    return graphs[0]


def signatures(meta: Any) -> list[str]:
    """The names of the signatures that have inputs and outputs."""
    return [
        name
        for name, found in sorted(meta.signature_def.items())
        if name not in _HIDDEN and found.inputs and found.outputs
    ]


def by_signature(meta: Any, folder: Path, wanted: Iterable[str]) -> SavedGraph | None:
    """The graph of the first wanted signature that exists, else of any; None if there is no signature."""
    there = signatures(meta)
    name = next((name for name in (*wanted, *there) if name in there), None)
    if name is None:
        return None
    signature = meta.signature_def[name]
    ends = tuple(
        tuple(End(key, info.name, info.dtype, shape_of(info.tensor_shape)) for key, info in sorted(side.items()))
        for side in (signature.inputs, signature.outputs)
    )
    graph = type(meta.graph_def)()
    graph.CopyFrom(meta.graph_def)
    return _pruned(
        graph, folder, SavedGraph(graph, ends[0], ends[1], f"signature {name}", variable_objects(meta, graph))
    )


def by_call(meta: Any, folder: Path) -> SavedGraph | None:
    """The graph that calls the object with one image, in inference mode; None if the object cannot be called like that."""
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
        if own == 1 and True not in fixed_booleans(concrete.canonicalized_input_signature):
            return _graph_of_call(meta, folder, name, function, list(concrete.bound_inputs))
    return None


def _graph_of_call(meta: Any, folder: Path, name: str, function: Any, bound: list[int]) -> SavedGraph:
    """Makes a graph with one node that calls a function; its inputs are a placeholder and the captured variables and constants."""
    graph = type(meta.graph_def)()
    graph.CopyFrom(meta.graph_def)
    first, *captured = function.signature.input_arg
    shape = next(
        iter(tensor_shapes(meta.object_graph_def.concrete_functions[name].canonicalized_input_signature)), None
    )
    source = graph.node.add(op="Placeholder", name="input")
    source.attr["dtype"].type = first.type
    write_shape(source.attr["shape"].shape, shape)
    inputs, objects = ["input"], {}
    for argument, number in zip(captured, bound, strict=True):
        item = meta.object_graph_def.nodes[number]
        if item.WhichOneof("kind") == "constant":
            inputs.append(item.constant.operation)
            continue
        if item.WhichOneof("kind") != "variable" or argument.type != _RESOURCE:
            raise RunError(
                f"cannot use {folder}: it needs a {item.WhichOneof('kind')} in addition to its weights, which is not supported"
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
    return _pruned(graph, folder, SavedGraph(graph, ends, outputs, "the object when called", objects))


def _output_keys(meta: Any, name: str, function: Any) -> list[str]:
    structure = meta.object_graph_def.concrete_functions[name].output_signature
    keys = sorted(structure.dict_value.fields) if structure.WhichOneof("kind") == "dict_value" else []
    arguments = function.signature.output_arg
    return keys if len(keys) == len(arguments) else [argument.name for argument in arguments]


def _pruned(graph: Any, folder: Path, saved: SavedGraph) -> SavedGraph:
    """Keeps the nodes that the outputs depend on and the functions they call; refuses any that do more than compute and read variables."""
    nodes = {node.name: node for node in graph.node}
    library = {function.signature.name: function for function in graph.library.function}
    names = _reached(
        {bare(end.tensor) for end in saved.outputs}, lambda name: map(bare, nodes[name].input), nodes, folder
    )
    called = {value for name in names for value in _functions_called(nodes[name], library)}
    functions = _reached(
        called,
        lambda name: [value for node in library[name].node_def for value in _functions_called(node, library)],
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
    """Makes the names of functions unique in this process, because TensorFlow never forgets a function that it has loaded."""
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
            raise RunError(f"cannot use {folder}: its graph refers to {at[:80]!r}, which it does not contain")
        seen.add(at)
        waiting += next_of(at)
    return seen


def _functions_called(node: Any, library: dict[str, Any]) -> Iterator[str]:
    """The functions that a node calls."""
    if node.op in library:
        yield node.op
    for value in node.attr.values():
        kind = value.WhichOneof("value")
        for function in [value.func] if kind == "func" else value.list.func if kind == "list" else ():
            yield function.name


def check_to_run(meta: Any, folder: Path) -> None:
    """Refuses a module for which TensorFlow's own loader would run more than computations.

    Fine-tuning needs this loader, because it needs the objects themselves; the loader runs the initialisers of tables and assets.

    Raises:
      RunError: the module has such initialisers, or it is a module of TensorFlow 1.
    """
    kinds = {node.WhichOneof("kind") for node in meta.object_graph_def.nodes}
    if not kinds or kinds & {"asset", "resource", "captured_tensor"} or meta.asset_file_def:
        raise RunError(
            f"cannot train {folder}: it contains tables or files, whose initialisers would be run; it can be used without --train"
        )
    check_operations(meta.graph_def, folder)
    for function in meta.graph_def.library.function:
        name = function.signature.name
        for node in function.node_def:
            if node.op in _FILE_OPERATIONS and not name.startswith(
                ("__inference__traced_save_", "__inference__traced_restore_")
            ):
                raise RunError(f"cannot train {folder}: its function {name[:60]!r} would use files ({node.op})")
