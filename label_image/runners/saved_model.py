"""Runs a SavedModel that `python -m retrain` exported, in batches, with TensorFlow (CPU or GPU)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.detectors.saved_model import frozen_saved_model
from label_image.errors import RunError, meaning
from label_image.quiet import INSTEAD, check_tensorflow, native_noise_hidden, tensorflow
from label_image.runners.tensorflow import function_of


class SavedModelRunner:
    """Runs the `serving_default` signature of a SavedModel with one image input."""

    name = "tensorflow"

    def __init__(self, folder: Path) -> None:
        check_tensorflow(str(folder), INSTEAD)
        self._tf = tensorflow()
        graph_def, _, source, output, _ = frozen_saved_model(folder)
        try:
            with native_noise_hidden():
                self._function: Any = function_of(graph_def, source, output, folder)
        except (ValueError, self._tf.errors.OpError) as error:
            raise RunError(f"cannot run {folder}: TensorFlow refuses it ({meaning(error)})") from None

    def scores(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Runs the network: float32 [n, height, width, channels] -> float32 [n, outputs]."""
        values = self._function(self._tf.constant(batch)).numpy()
        return np.asarray(values, np.float32).reshape(len(batch), -1)
