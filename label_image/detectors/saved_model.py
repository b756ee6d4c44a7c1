"""Opens a SavedModel folder as one flat GraphDef with its variables as constants, from the image input to the scores.

TensorFlow's loader is not asked: it would run what the folder brings to restore and to initialise. The graph is cut out of the
file, its variables are given the values of the checkpoint, and nothing else of the folder is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from label_image.allowed_operations import check_sizes
from label_image.detectors.saved_graph import (
    OBJECT_GRAPH,
    End,
    SavedGraph,
    by_call,
    by_signature,
    checkpoint_keys,
    read_meta_graph,
    restored_keys,
)
from label_image.errors import RunError, meaning
from label_image.quiet import native_noise_hidden, tensorflow

_SCORES = ("confidences", "probabilities", "scores", "predictions", "prediction", "outputs", "output_0", "logits")
_IMAGES = ("image", "images", "input", "inputs", "input_1", "x")
_SIGNATURES = ("serving_default", "predict", "image_classification")
_VARIABLES = ("VarHandleOp", "VariableV2", "Variable")


def frozen_saved_model(folder: Path) -> tuple[Any, str, str, str, str]:
    """Loads a SavedModel.

    Returns:
      the GraphDef, what it is, its input and output tensors, and who names them.

    Raises:
      RunError: TensorFlow does not load it, nothing in it takes a picture, or it does more than compute; one line.
    """
    meta = read_meta_graph(folder)
    found = by_signature(meta, folder, _SIGNATURES) or by_call(meta, folder)
    if found is None:
        raise RunError(f"cannot use {folder}: it has no signature and can not be called; it is no classifier")
    ends = _pick(found.inputs, _IMAGES), _pick(found.outputs, _SCORES)
    # All its outputs stay in the graph: how many there are tells whether it is a classifier.
    others = tuple(end for end in found.outputs if end != ends[1])
    graph_def, source, output = frozen(meta, found, *ends, folder, others)
    return graph_def, "a SavedModel", source, output, found.why


def frozen(
    meta: Any, found: SavedGraph, source: End, output: End, folder: Path, others: tuple[End, ...] = ()
) -> tuple[Any, str, str]:
    """The graph from one end to another with its variables as constants and its calls inlined; and both tensors' names.

    The way to `others`, further outputs, stays in it.

    Raises:
      RunError: TensorFlow refuses it, a variable has no value, or it would fill the memory.
    """
    tf = tensorflow()
    try:
        with native_noise_hidden():
            graph_def = _with_values(tf, meta, found, (output, *others), folder)
            if not graph_def.library.function:
                return graph_def, source.tensor, output.tensor
            function = _inlined(graph_def, source, (output, *others), folder)
            return _untied(function.graph.as_graph_def(), str(function.inputs[0].name), str(function.outputs[0].name))
    except RunError:
        raise
    except Exception as error:  # a foreign graph fails in the parser, in the import or in one of its operations
        raise RunError(f"cannot run {folder}: TensorFlow refuses it ({meaning(error)})") from None


def _with_values(tf: Any, meta: Any, found: SavedGraph, outputs: tuple[End, ...], folder: Path) -> Any:
    """The graph with each variable as a constant. The one thing that is run is our own giving of values."""
    variables = [node for node in found.graph_def.node if node.op in _VARIABLES]
    if not variables:
        return found.graph_def
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        tf.compat.v1.import_graph_def(found.graph_def, name="")
        check_sizes(graph, folder)
        value_of = _values(tf, meta, found, folder)
        gives, values = [], {}
        for node in variables:
            array = value_of(node)
            handle = graph.get_tensor_by_name(f"{node.name}:0")
            given = tf.compat.v1.placeholder(array.dtype, array.shape)
            values[given] = array
            if node.op == "VarHandleOp":
                gives.append(tf.raw_ops.AssignVariableOp(resource=handle, value=given))
                # By this name TensorFlow's conversion to constants asks for the value.
                tf.raw_ops.ReadVariableOp(resource=handle, dtype=array.dtype, name=f"{node.name}/Read/ReadVariableOp")
            else:
                gives.append(tf.raw_ops.Assign(ref=handle, value=given).op)
        session.run(gives, values)  # at once: each new operation makes a session look at the whole graph again
        names = [output.tensor.split(":")[0] for output in outputs]
        return tf.compat.v1.graph_util.convert_variables_to_constants(session, found.graph_def, names)


def _values(tf: Any, meta: Any, found: SavedGraph, folder: Path) -> Callable[[Any], Any]:
    """What gives the values of a variable's node, from the checkpoint in the folder."""
    from label_image.runners.tensorflow import object_graph_class

    place = folder / "variables" / "variables"
    if not place.with_suffix(".index").is_file():
        raise RunError(f"cannot use {folder}: it has no variables/variables.index, and its network has variables")
    reader = tf.train.load_checkpoint(str(place))
    shapes, most = reader.get_variable_to_shape_map(), sum(path.stat().st_size for path in place.parent.iterdir())
    keys, restored = {}, restored_keys(meta.graph_def)
    if OBJECT_GRAPH in shapes:
        keys = checkpoint_keys(meta, reader.get_tensor(OBJECT_GRAPH), object_graph_class())

    def value_of(node: Any) -> Any:
        by_object = keys.get(found.objects.get(node.name, -1), "")
        names = (by_object, restored.get(node.name, ""), node.attr["shared_name"].s.decode(), node.name)
        key = next((name for name in names if name in shapes), None)
        if key is None:
            raise RunError(f"cannot use {folder}: its checkpoint has no value for the variable {node.name[:80]!r}")
        if math.prod(shapes[key]) > most:  # each number has a byte at least
            raise RunError(f"cannot use {folder}: its variable {node.name[:80]!r} claims more numbers than are stored")
        return reader.get_tensor(key)

    return value_of


def _inlined(graph_def: Any, source: End, outputs: tuple[End, ...], folder: Path) -> Any:
    from label_image.runners.tensorflow import constants_from, function_of

    function = constants_from(function_of(graph_def, source.tensor, [output.tensor for output in outputs], folder))
    check_sizes(function.graph, folder)
    return function


def _untied(graph_def: Any, source: str, output: str) -> tuple[Any, str, str]:
    """The graph without operations that only pass several tensors on together: each output then has a node of its own."""
    tied = {
        f"{node.name}:{at}": name
        for node in graph_def.node if node.op == "IdentityN"
        for at, name in enumerate(name for name in node.input if not name.startswith("^"))
    }  # fmt: skip
    tied |= {name.removesuffix(":0"): to for name, to in tied.items() if name.endswith(":0")}

    def untied(name: str) -> str:
        for _ in range(len(tied)):
            if name not in tied:
                break
            name = tied[name]
        return name

    for node in graph_def.node:
        node.input[:] = [untied(name) for name in node.input]
    awaited = {name[1:] for node in graph_def.node for name in node.input if name.startswith("^")}
    for node in [node for node in graph_def.node if node.op == "IdentityN" and node.name not in awaited]:
        graph_def.node.remove(node)
    output = untied(output)
    return graph_def, source, output if ":" in output else f"{output}:0"


def _pick(ends: tuple[End, ...], wanted: tuple[str, ...]) -> End:
    """The end with a likely name; else the first of floats, with most dimensions for an image."""
    for name in wanted:
        for end in ends:
            if end.key.lower() == name and end.is_floating | (wanted is _IMAGES):
                return end
    ranked = [end for end in ends if end.is_floating] or list(ends)
    if wanted is _IMAGES and len(ranked) > 1:
        ranked.sort(key=lambda end: -len(end.shape or ()))
    return ranked[0]
