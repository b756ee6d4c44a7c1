"""Writes an ONNX file, for ONNX Runtime and other readers, by converting the frozen graph with tf2onnx; needs TensorFlow.

Input and output are those of the frozen graph: float32 [n, height, width, 3], scaled -> float32 [n, classes]. Our metadata is stored in
the metadata of the ONNX model. The extra `onnx` installs tf2onnx, and onnxruntime, which verifies the file.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
from pathlib import Path
from typing import Any

from label_image.errors import RunError
from label_image.extras import install
from label_image.model_metadata import METADATA_KEY, Metadata
from label_image.quiet import native_noise_hidden, tensorflow
from retrain.exporters import graph as graph_exporter
from retrain.exporters.exporter import Exporter
from retrain.exporters.stated import stated
from retrain.types import Backbone, Head

_OPSET = 17  # from 2022: older readers support it, and it has all operations of our networks


def missing(_: bool) -> str:
    """Names packages that are needed to write and verify the file and are not installed."""
    names = {"tensorflow": "TensorFlow", "tf2onnx": "tf2onnx", "onnxruntime": "onnxruntime"}
    lacking = [name for package, name in names.items() if importlib.util.find_spec(package) is None]
    return f"{lacking[0]} is not installed; {install('onnx')}" if lacking else ""


def write(path: Path, head: Head, backbone: Backbone, metadata: Metadata) -> None:
    """Writes the classifier.

    Raises:
      RunError: tf2onnx cannot convert it.
    """
    tf = tensorflow()
    frozen = path.with_name(f"{path.name}.pb")
    try:
        graph_exporter.write(frozen, head, backbone, metadata)
        graph_def = tf.compat.v1.GraphDef.FromString(frozen.read_bytes())
    finally:
        frozen.unlink(missing_ok=True)
    model = _convert(graph_def, metadata)
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, stated(metadata).decode()
    path.write_bytes(model.SerializeToString(deterministic=True))


def _convert(graph_def: Any, metadata: Metadata) -> Any:
    """Converts the GraphDef to an ONNX model."""
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    nowhere = io.StringIO()
    with contextlib.redirect_stderr(nowhere), contextlib.redirect_stdout(nowhere), native_noise_hidden():
        import tf2onnx

        try:
            model, _ = tf2onnx.convert.from_graph_def(
                graph_def,
                input_names=[f"{metadata.input_layer}:0"],
                output_names=[f"{metadata.output_layer}:0"],
                opset=_OPSET,
            )
        except Exception as error:  # it raises many kinds of exceptions
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise RunError(f"cannot export onnx: tf2onnx cannot convert the graph ({reason}); leave onnx out") from None
    return model


EXPORTER = Exporter(write, missing=missing, readers=("openvino", "cv2"))
