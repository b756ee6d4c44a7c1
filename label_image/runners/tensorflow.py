"""Runs a frozen GraphDef with TensorFlow (CPU or GPU)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.allowed_operations import check_operations, check_sizes
from label_image.errors import OutOfMemoryError, RunError, UserError, meaning
from label_image.quiet import native_noise_hidden, tensorflow


class GraphRunner:
    """Runs a frozen GraphDef (`.pb`) from one operation to another."""

    name = "tensorflow"

    def __init__(
        self, path: Path, input_layer: str, output_layer: str, device: str = "", graph_def: Any = None
    ) -> None:
        """Opens `path`, or uses its GraphDef if it was already read."""
        tf = tensorflow()
        graph_def = read_graph_def(path) if graph_def is None else graph_def
        names = {node.name for node in graph_def.node}
        for flag, layer in (("input_layer", input_layer), ("output_layer", output_layer)):
            if layer.split(":")[0] not in names:
                raise UserError(f"--{flag}={layer} is not in {path}; it has {_some(graph_def, flag)}")

        check_operations(graph_def, path, more=())
        try:
            with tf.device(device), native_noise_hidden():
                self._function: Any = function_of(graph_def, input_layer, output_layer, path)
        except (ValueError, tf.errors.OpError) as error:
            raise RunError(f"cannot run {path}: TensorFlow refuses it ({meaning(error)})") from None
        self._tf, self._path = tf, path

    def scores(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Runs the network: float32 [n, height, width, channels] -> float32 [n, outputs].

        Raises:
          OutOfMemoryError: the batch does not fit into memory.
          RunError: TensorFlow cannot run one of its operations.
        """
        try:
            values = self._function(self._tf.constant(batch)).numpy()
        except self._tf.errors.ResourceExhaustedError as error:
            raise OutOfMemoryError(
                f"{len(batch)} photos at once do not fit into its memory ({meaning(error)})"
            ) from None
        except self._tf.errors.OpError as error:  # a damaged graph fails when it runs
            raise RunError(f"cannot run {self._path}: TensorFlow refuses it ({_run_line(error)})") from None
        return np.asarray(values, np.float32).reshape(len(batch), -1)


def function_of(graph_def: Any, input_layer: str, output_layer: str | list[str], where: object) -> Any:
    """Makes a TensorFlow function from one tensor to another, or to several, of a GraphDef that was checked.

    Raises:
      ValueError, tf.errors.OpError: TensorFlow refuses the graph.
      RunError: it needs too much memory.
    """
    tf = tensorflow()
    wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph_def, name=""), [])
    check_sizes(wrapped.graph, where)
    element = wrapped.graph.as_graph_element
    if isinstance(output_layer, list):
        return wrapped.prune(element(_tensor(input_layer)), [element(_tensor(layer)) for layer in output_layer])
    return wrapped.prune(element(_tensor(input_layer)), element(_tensor(output_layer)))


def read_graph_def(path: Path) -> Any:
    """Reads the GraphDef in a `.pb`.

    Raises:
      RunError: if the file is not a GraphDef.
    """
    tf = tensorflow()
    graph_def = tf.compat.v1.GraphDef()
    try:
        graph_def.ParseFromString(path.read_bytes())
    except Exception as error:  # the location of protobuf's DecodeError differs between versions
        raise RunError(f"cannot read {path}: it is not a TensorFlow graph ({meaning(error)})") from None
    if not graph_def.node:
        raise RunError(f"cannot read {path}: it is not a TensorFlow graph (it has no operations)")
    check_operations(graph_def, path)
    return graph_def


def parse_saved_model(folder: Path) -> Any:
    """Parses the SavedModel message in a folder; nothing is run.

    Raises:
      RunError: it cannot be parsed.
    """
    tensorflow()
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        return SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    except Exception as error:  # as above
        raise RunError(f"cannot read {folder}: its saved_model.pb cannot be parsed ({meaning(error)})") from None


def object_graph_class() -> Any:
    """Returns the protobuf class of the table of objects in a checkpoint."""
    tensorflow()
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    return TrackableObjectGraph


def constants_from(function: Any) -> Any:
    """Converts a concrete function: variables become constants, and calls are inlined."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(function, lower_control_flow=False)


def _tensor(layer: str) -> str:
    return layer if ":" in layer else f"{layer}:0"


def _some(graph_def: Any, flag: str) -> str:
    """Lists candidates for the error message: placeholders for an input, nodes that no other node reads for an output."""
    if flag == "input_layer":
        names = [node.name for node in graph_def.node if node.op.startswith("Placeholder")]
    else:
        read = {name.lstrip("^").split(":")[0] for node in graph_def.node for name in node.input}
        names = [node.name for node in graph_def.node if node.name not in read and node.op != "Const"]
    return ", ".join(names[:8]) or "no such layer"


def _run_line(error: Exception) -> str:
    """The line of an error that describes it: TensorFlow puts positions in source files before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Graph execution error", "Detected at", "File ", "<stack"))]
    return (told or [type(error).__name__])[-1][:160]
