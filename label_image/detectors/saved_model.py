"""Converts a SavedModel folder to a flat GraphDef from the image to the scores, with its variables as constants.

TensorFlow's loader is not used, because it would run restore and initialisation functions of the folder. The graph is taken from
saved_model.pb, the values of its variables from the checkpoint, and nothing else of the folder is read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from label_image.allowed_operations import check_sizes
from label_image.detectors.checkpoint_keys import checkpoint_keys, restored_keys
from label_image.detectors.saved_graph import (
    OBJECT_GRAPH,
    End,
    SavedGraph,
    by_call,
    by_signature,
    read_meta_graph,
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
      the GraphDef, the kind of file, its input and output tensors, and where their names come from.

    Raises:
      RunError: TensorFlow refuses it, nothing in it takes an image, or it does more than compute.
    """
    meta = read_meta_graph(folder)
    found = by_signature(meta, folder, _SIGNATURES) or by_call(meta, folder)
    if found is None:
        raise RunError(f"cannot use {folder}: it has no signature and cannot be called, so it is not a classifier")
    ends = _pick(found.inputs, _IMAGES), _pick(found.outputs, _SCORES)
    # All outputs are kept, because their number helps to tell whether the network is a classifier.
    others = tuple(end for end in found.outputs if end != ends[1])
    graph_def, source, output = frozen(meta, found, *ends, folder, others)
    return graph_def, "a SavedModel", source, output, found.why


def frozen(
    meta: Any, found: SavedGraph, source: End, output: End, folder: Path, others: tuple[End, ...] = ()
) -> tuple[Any, str, str]:
    """Returns the graph from input to output, with variables as constants and calls inlined, and the names of both tensors.

    Nodes that `others`, further outputs, depend on are kept.

    Raises:
      RunError: TensorFlow refuses it, a variable has no value, or it needs too much memory.
    """
    tf = tensorflow()
    try:
        with native_noise_hidden():
            graph_def = _with_constants(tf, meta, found, (output, *others), folder)
            if not graph_def.library.function:
                return graph_def, source.tensor, output.tensor
            function = _inlined(graph_def, source, (output, *others), folder)
            return _without_identity_n(
                function.graph.as_graph_def(), str(function.inputs[0].name), str(function.outputs[0].name)
            )
    except RunError:
        raise
    except Exception as error:  # a graph of unknown origin can fail in the parser, the import or any operation
        raise RunError(f"cannot run {folder}: TensorFlow refuses it ({meaning(error)})") from None


def _with_constants(tf: Any, meta: Any, found: SavedGraph, outputs: tuple[End, ...], folder: Path) -> Any:
    """Replaces each variable by a constant. Only our own assignments of values are run."""
    variables = [node for node in found.graph_def.node if node.op in _VARIABLES]
    if not variables:
        return found.graph_def
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        tf.compat.v1.import_graph_def(found.graph_def, name="")
        check_sizes(graph, folder)
        value_of = _value_reader(tf, meta, found, folder)
        assignments, values = [], {}
        for node in variables:
            array = value_of(node)
            handle = graph.get_tensor_by_name(f"{node.name}:0")
            given = tf.compat.v1.placeholder(array.dtype, array.shape)
            values[given] = array
            if node.op == "VarHandleOp":
                assignments.append(tf.raw_ops.AssignVariableOp(resource=handle, value=given))
                # TensorFlow's conversion to constants looks for a node of this name.
                tf.raw_ops.ReadVariableOp(resource=handle, dtype=array.dtype, name=f"{node.name}/Read/ReadVariableOp")
            else:
                assignments.append(tf.raw_ops.Assign(ref=handle, value=given).op)
        session.run(
            assignments, values
        )  # all at once, because a session processes the whole graph again after each new operation
        names = [output.tensor.split(":")[0] for output in outputs]
        return tf.compat.v1.graph_util.convert_variables_to_constants(session, found.graph_def, names)


def _value_reader(tf: Any, meta: Any, found: SavedGraph, folder: Path) -> Callable[[Any], Any]:
    """Returns a function that reads the value of a variable node from the checkpoint in the folder."""
    from label_image.runners.tensorflow import object_graph_class

    place = folder / "variables" / "variables"
    if not place.with_suffix(".index").is_file():
        raise RunError(f"cannot use {folder}: its network has variables, but variables/variables.index is missing")
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
        if math.prod(shapes[key]) > most:  # each number takes at least one byte
            raise RunError(
                f"cannot use {folder}: its variable {node.name[:80]!r} declares more numbers than the checkpoint stores"
            )
        return reader.get_tensor(key)

    return value_of


def _inlined(graph_def: Any, source: End, outputs: tuple[End, ...], folder: Path) -> Any:
    from label_image.runners.tensorflow import constants_from, function_of

    function = constants_from(function_of(graph_def, source.tensor, [output.tensor for output in outputs], folder))
    check_sizes(function.graph, folder)
    return function


def _without_identity_n(graph_def: Any, source: str, output: str) -> tuple[Any, str, str]:
    """Removes IdentityN operations, which pass several tensors on together, so that each output is a node of its own."""
    passed_on = {
        f"{node.name}:{at}": name
        for node in graph_def.node if node.op == "IdentityN"
        for at, name in enumerate(name for name in node.input if not name.startswith("^"))
    }  # fmt: skip
    passed_on |= {name.removesuffix(":0"): to for name, to in passed_on.items() if name.endswith(":0")}

    def resolved(name: str) -> str:
        for _ in range(len(passed_on)):
            if name not in passed_on:
                break
            name = passed_on[name]
        return name

    for node in graph_def.node:
        node.input[:] = [resolved(name) for name in node.input]
    control_inputs = {name[1:] for node in graph_def.node for name in node.input if name.startswith("^")}
    for node in [node for node in graph_def.node if node.op == "IdentityN" and node.name not in control_inputs]:
        graph_def.node.remove(node)
    output = resolved(output)
    return graph_def, source, output if ":" in output else f"{output}:0"


def _pick(ends: tuple[End, ...], wanted: tuple[str, ...]) -> End:
    """Chooses an end with a usual name; else the first one of floats, for an image the one with most dimensions."""
    for name in wanted:
        for end in ends:
            if end.key.lower() == name and end.is_floating | (wanted is _IMAGES):
                return end
    ranked = [end for end in ends if end.is_floating] or list(ends)
    if wanted is _IMAGES and len(ranked) > 1:
        ranked.sort(key=lambda end: -len(end.shape or ()))
    return ranked[0]
