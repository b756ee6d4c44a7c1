"""A `.tflite` and pixels in, the network's output out, on LiteRT (XNNPACK); TensorFlow is not needed.

One runner is one interpreter on `threads` threads, for one caller at a time; a folder of photos wants a runner a core.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError
from label_image.quiet import native_noise_hidden


class LitertRunner:
    """Runs a `.tflite` with one image input and one output."""

    name = "litert"

    def __init__(self, path: Path, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            with native_noise_hidden():
                self._interpreter: Any = Interpreter(str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            first = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
            raise RunError(f"cannot run {path}: LiteRT refuses it ({first})") from None
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]

    def scores(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Runs the network.

        Args:
          batch: float32 [n, height, width, channels], scaled as the card says.

        Returns:
          float32 [n, outputs].
        """
        rows = [self._run(image) for image in batch]
        return np.stack(rows) if rows else np.zeros((0, int(self._output["shape"][-1])), np.float32)

    def _run(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        self._interpreter.set_tensor(self._input["index"], image[None])
        self._interpreter.invoke()
        values = self._interpreter.get_tensor(self._output["index"])  # a copy
        return np.asarray(values, np.float32).reshape(-1)
