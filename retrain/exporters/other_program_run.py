"""Runs an export in another program, in a separate process, because such a program may crash the process in which it runs.

    python -m retrain.exporters.other_program_run MODULE FILE    float32 [n, height, width, 3] as .npy on standard input, JSON on standard output

Imports no module of ours, so that it starts quickly.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]


def opencv(path: str, batch: Rows) -> Rows:
    """Returns the scores of OpenCV, float32 [n, classes]. It expects NCHW input for a `.tflite`, and unchanged input for ONNX."""
    import cv2

    lite = path.endswith(".tflite")
    network: Any = cv2.dnn.readNetFromTFLite(path) if lite else cv2.dnn.readNetFromONNX(path)
    rows = []
    for pixels in batch:
        network.setInput(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]) if lite else pixels[None])
        rows.append(np.array(network.forward(), np.float32).reshape(-1))
    return np.stack(rows)


def openvino(path: str, batch: Rows) -> Rows:
    """Returns the scores of OpenVINO, computed in full float32 precision."""
    import openvino as room

    model: Any = room.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.stack([np.array(model([pixels[None]])[0], np.float32).reshape(-1) for pixels in batch])


def tflite_runtime(path: str, batch: Rows) -> Rows:
    """Returns the scores of tflite-runtime, the predecessor of LiteRT."""
    from tflite_runtime.interpreter import Interpreter

    interpreter: Any = Interpreter(path)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for pixels in batch:
        interpreter.set_tensor(source["index"], pixels[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(result["index"])[0])
    return np.stack(rows)


RUNS = {"cv2": opencv, "openvino": openvino, "tflite_runtime": tflite_runtime}


def main(module: str, path: str) -> None:
    """Reads pictures and prints the scores of the program; prints no scores if it refuses the file."""
    batch = np.load(sys.stdin.buffer, allow_pickle=False)
    version = str(importlib.import_module(module).__version__).split("-", maxsplit=1)[0]
    try:
        scores = RUNS[module](path, batch).tolist()
    except Exception:  # each program has its own exceptions
        scores = []
    print(json.dumps({"version": version, "scores": scores}))


if __name__ == "__main__":
    main(*sys.argv[1:])
