"""Runs a `.pb`, SavedModel or Keras file of another tool with TensorFlow, from the graph that was examined."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.allowed_operations import check_operations, check_sizes
from label_image.detectors.net import Net, bare
from label_image.detectors.opened import opened
from label_image.errors import RunError
from label_image.model_file import ModelFile
from label_image.quiet import native_noise_hidden, tensorflow

_MOST_AT_ONCE = 1024  # photos; a larger first dimension is not a batch size


class FrozenRunner:
    """Runs a `.pb`, SavedModel or Keras file, one photo at a time, because many graphs are made for a single photo."""

    name = "tensorflow"

    def __init__(self, source: ModelFile, input_layer: str, output_layer: str) -> None:
        tf = tensorflow()
        self._path = path = source.path
        file = opened(source)
        self._batch = _fixed_batch(file.net, bare(input_layer))
        graph_def, _ = file.for_inference(input_layer, output_layer)
        output = output_layer if ":" in output_layer else f"{output_layer}:0"
        check_operations(graph_def, path, more=())
        graph = tf.Graph()
        try:
            with graph.as_default(), native_noise_hidden():
                tf.compat.v1.import_graph_def(graph_def, name="")
                check_sizes(graph, path)
                taken = graph.as_graph_element(f"{bare(input_layer)}:0")
                # A session, unlike a tf.function, also runs the control flow and scalar string inputs of TensorFlow 1.
                self._session = tf.compat.v1.Session(graph=graph, config=_session_config(tf))
                self._function: Any = self._session.make_callable(graph.as_graph_element(output), [taken])
            self._dtype = taken.dtype.as_numpy_dtype
            self._batched = (
                bare(input_layer) != "DecodeJpeg/contents"
            )  # graphs for TensorFlow Serving take a batch of files
        except RunError:
            raise
        except Exception as error:  # TensorFlow refuses a graph with many kinds of errors
            raise RunError(f"cannot run {path}: TensorFlow refuses it ({_first_line(error)})") from None

    def scores(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Runs the network: float32 [n, ...] as its metadata says -> float32 [n, outputs]."""
        return np.stack([self.values(row).reshape(-1) for row in batch])

    def values(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Runs the network on one photo: float32 [...] as its metadata says -> float32 [1, ...], the output in its own shape."""
        batch = np.repeat(image[None].astype(self._dtype, copy=False), self._batch, axis=0)
        found = self._run(batch)
        return found[:1] if self._batch > 1 and found.shape[:1] == (self._batch,) else found

    def scores_of_file(self, data: bytes) -> npt.NDArray[np.float32]:
        """Runs a network that decodes the photo's file itself: bytes -> float32 [outputs]."""
        return self._run(np.array([data], object) if self._batched else data).reshape(-1)

    def _run(self, value: Any) -> npt.NDArray[np.float32]:
        try:
            return np.asarray(self._function(value), np.float32)
        except Exception as error:  # as above
            raise RunError(f"cannot run {self._path}: {_first_line(error)}") from None


def _session_config(tf: Any) -> Any:
    """Session settings for graphs of unknown origin: TensorFlow's graph optimiser aborts the process on some damaged graphs."""
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config


def _fixed_batch(net: Net, name: str) -> int:
    """The batch size that the file fixes, or 1: a graph made for eight photos accepts no other number."""
    attributes = net.nodes[name].attr if name in net.nodes else {}
    sizes = [int(dim.size) for dim in attributes["shape"].shape.dim] if "shape" in attributes else []
    return max(sizes[0], 1) if len(sizes) in (2, 4) and sizes[0] <= _MOST_AT_ONCE else 1


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Graph execution error", "Detected at", "File ", "Node: "))]
    return " ".join((told or [type(error).__name__])[0].split())[:200]
