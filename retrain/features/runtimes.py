"""Chooses the runtime of the network, and states the reason.

On a CPU LiteRT, with an interpreter on one thread a core; on a GPU, and for what LiteRT cannot run, TensorFlow.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from label_image.errors import RunError
from label_image.extras import install
from label_image.model_kinds.reader import Runner
from label_image.quiet import check_tensorflow, has_tensorflow, tensorflow
from retrain.features import library_versions
from retrain.types import Backbone

_DRIVER = ("/dev/nvidiactl", "/dev/nvidia0", "/usr/lib/wsl/lib/libcuda.so.1")  # the last on Windows' own Linux
_BATCH = 32  # photos a call on TensorFlow


@dataclass(frozen=True)
class Runtime:
    """Runs a network without a head."""

    name: str  # "litert" or "tensorflow"
    device: str  # "cpu" or "gpu"
    why: str  # a line for the user
    make_runner: Callable[[], Runner]
    batch: int  # photos a call; 1: each worker decodes and runs its own photos
    made_with: Mapping[str, str] = field(default_factory=dict)  # what computes, name -> version: part of store keys


def choose(backbone: Backbone, device: str) -> Runtime:
    """Chooses the runtime.

    Args:
      backbone: made ready.
      device: "auto", "cpu", "cpu:2" or "gpu", as typed.

    Raises:
      RunError: a GPU was asked for and TensorFlow sees none; the line says what it sees.
    """
    if backbone.precision != "float32" and not device.startswith("cpu"):
        device = "cpu"  # there is no such graph for TensorFlow
    seen = device == "auto" and _nvidia_here()
    wanted = device == "gpu" or (seen and has_tensorflow())
    gpu = _gpu() if wanted else ""
    if gpu:
        return _tensorflow(backbone, "gpu", f"TensorFlow on {gpu}", gpu)
    check_device(device)
    cores = f", {device.partition(':')[2]} of its cores" if ":" in device else ""
    note = f" (there is a GPU, but {why_no_gpu()})" if wanted else ""
    if seen and not wanted:
        note = f" (there is a GPU; to use it: {install('tensorflow')})"
    if backbone.tflite is None:
        why = f"TensorFlow on the CPU{cores}{note}: LiteRT cannot run {backbone.name} ({backbone.why_no_tflite})"
        return _tensorflow(backbone, "cpu", why)
    precision = f" in {backbone.precision}" if backbone.precision != "float32" else ""
    return _litert(backbone.tflite, f"LiteRT on the CPU{precision}{cores}{note}")


def check_device(device: str) -> None:
    """Raises RunError where a GPU is asked for by name and there is no TensorFlow, or it sees none; the line says what it sees."""
    if device == "gpu" and not _gpu():
        raise RunError(f"no GPU for --device=gpu: {why_no_gpu()}")


def _litert(tflite: Path, why: str) -> Runtime:
    from label_image.runners.litert import LitertRunner

    return Runtime("litert", "cpu", why, lambda: LitertRunner(tflite), 1, library_versions.litert())


def _tensorflow(backbone: Backbone, device: str, why: str, gpu: str = "") -> Runtime:
    def make_runner() -> Runner:
        from label_image.runners.tensorflow import GraphRunner

        return GraphRunner(backbone.graph, backbone.input_layer, backbone.features_layer, f"/{device}:0")

    return Runtime("tensorflow", device, why, make_runner, _BATCH, library_versions.tensorflow(gpu))


def peak_memory(runtime: Runtime) -> int | None:
    """The most bytes that TensorFlow held on the GPU in this process; None where the network ran elsewhere."""
    if runtime.device != "gpu":
        return None
    return int(tensorflow().config.experimental.get_memory_info("GPU:0")["peak"])


def why_no_gpu() -> str:
    """Why TensorFlow runs on the CPU, and what to do."""
    tf = tensorflow()
    seen = ", ".join(device.device_type for device in tf.config.list_physical_devices())
    if not tf.test.is_built_with_cuda():
        return f"this TensorFlow {tf.__version__} is built without CUDA (it sees {seen}); on Linux: pip install 'tensorflow[and-cuda]'"
    if not _nvidia_here():
        return f"TensorFlow {tf.__version__} sees only {seen}, and there is no NVIDIA driver here; install the driver, or use --device=cpu"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden in ("", "-1"):
        return f"TensorFlow {tf.__version__} sees only {seen}: CUDA_VISIBLE_DEVICES={hidden} hides the GPU; unset it"
    return f"TensorFlow {tf.__version__} sees only {seen}; its CUDA libraries are missing: pip install 'tensorflow[and-cuda]'"


def _gpu() -> str:
    """The first GPU that TensorFlow sees, by name; "" if none."""
    check_tensorflow("--device=gpu", "use --device=cpu")
    tf = tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "a GPU")) if gpus else ""


def _nvidia_here() -> bool:
    return any(os.path.exists(path) for path in _DRIVER)  # noqa: PTH110 - nothing to join
