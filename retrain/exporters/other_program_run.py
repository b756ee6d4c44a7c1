"""Runs an export with another program in a separate process, because a crash of that program ends its process.

    python -m retrain.exporters.other_program_run MODULE FILE    float32 [n, height, width, 3] as .npy on standard input, JSON on standard output

Imports nothing of ours, so that it starts at once.
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
    """Computes the scores with OpenCV: float32 [n, classes]. It takes a `.tflite` in NCHW, and ONNX as it is."""
    import cv2

    lite = path.endswith(".tflite")
    network: Any = cv2.dnn.readNetFromTFLite(path) if lite else cv2.dnn.readNetFromONNX(path)
    rows = []
    for pixels in batch:
        network.setInput(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]) if lite else pixels[None])
        rows.append(np.array(network.forward(), np.float32).reshape(-1))
    return np.stack(rows)


def openvino(path: str, batch: Rows) -> Rows:
    """Computes the scores with OpenVINO in full float32 precision."""
    import openvino as room

    model: Any = room.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.stack([np.array(model([pixels[None]])[0], np.float32).reshape(-1) for pixels in batch])


def tflite_runtime(path: str, batch: Rows) -> Rows:
    """Computes the scores with tflite-runtime, the predecessor of LiteRT."""
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
    """Reads images and prints the scores that the program computes; none if it refuses the file."""
    batch = np.load(sys.stdin.buffer, allow_pickle=False)
    version = str(importlib.import_module(module).__version__).split("-", maxsplit=1)[0]
    try:
        scores = RUNS[module](path, batch).tolist()
    except Exception:  # each has exceptions of its own
        scores = []
    print(json.dumps({"version": version, "scores": scores}))


if __name__ == "__main__":
    main(*sys.argv[1:])
