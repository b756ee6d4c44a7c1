"""Runs an ONNX file with ONNX Runtime on the CPU, by default on one thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError, UserError
from label_image.model_file import ModelFile
from label_image.runners.onnx_file import check
from label_image.runners.sizes import wrong_size


class OnnxRunner:
    """Runs an `.onnx` with one image input, in one session.

    Raises:
      UserError: onnxruntime is not installed.
      RunError: onnxruntime refuses the file.
    """

    name = "onnxruntime"

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Opens a file; several threads may call `scores` at the same time."""
        try:
            import onnxruntime
        except ImportError:
            raise UserError(f"cannot run {path}: onnxruntime is not installed; pip install onnxruntime") from None
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RunError(f"cannot read {path}: {error.strerror or error}") from None
        check(data, path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 4
        try:
            self._session: Any = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the error classes of onnxruntime differ between versions
            raise RunError(f"cannot run {path}: ONNX Runtime refuses it ({_one_line(error)})") from None
        self._path = path
        taken = self._session.get_inputs()[0]
        self._input = taken.name
        self._sizes = [size if isinstance(size, int) else 0 for size in taken.shape[1:]]  # 0 is undefined
        fixed = taken.shape[0] if taken.shape else None
        self._batch = fixed if isinstance(fixed, int) and fixed > 1 else 0  # the batch size, if the file fixes it
        self._output = self._session.get_outputs()[0].name

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata in the file, by key."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def scores(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Runs the network: float32 [n, height, width, channels] -> float32 [n, outputs]."""
        if self._batch and len(batch) != self._batch:
            parts = [batch[at : at + self._batch] for at in range(0, len(batch), self._batch)]
            padded = [np.concatenate([part, np.repeat(part[-1:], self._batch - len(part), axis=0)]) for part in parts]
            rows = [self.scores(full)[: len(part)] for full, part in zip(padded, parts, strict=True)]
            return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)
        try:
            (values,) = self._session.run([self._output], {self._input: batch})
        except Exception as error:  # as above
            if len(self._sizes) + 1 == batch.ndim and any(
                own not in (0, given) for own, given in zip(self._sizes, batch.shape[1:], strict=True)
            ):
                raise RunError(wrong_size(self._path, self._sizes, batch.shape[1:])) from None
            raise RunError(f"cannot run {self._path}: {_one_line(error)}") from None
        return np.asarray(values, np.float32).reshape(len(batch), -1)


def opened_onnx(source: ModelFile) -> OnnxRunner:
    """The session of a file, shared by all workers, which ONNX Runtime allows."""
    return source.once("onnx", lambda: OnnxRunner(source.path))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
