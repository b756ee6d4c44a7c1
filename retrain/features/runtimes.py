"""Chooses the runtime and the device for the network, and states the reason.

On a CPU, LiteRT is used, with a single-threaded interpreter for each core. On a GPU, and for networks that LiteRT cannot run,
TensorFlow is used.
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

_DRIVER = (
    "/dev/nvidiactl",
    "/dev/nvidia0",
    "/usr/lib/wsl/lib/libcuda.so.1",
)  # the last one is for WSL, the Linux subsystem of Windows
_BATCH = 32  # batch size with TensorFlow


@dataclass(frozen=True)
class Runtime:
    """The runtime and the device for a headless network."""

    name: str  # "litert" or "tensorflow"
    device: str  # "cpu" or "gpu"
    why: str  # the reason, for the user
    make_runner: Callable[[], Runner]
    batch: int  # batch size; 1: each worker decodes and runs its own photos
    made_with: Mapping[str, str] = field(default_factory=dict)  # library versions, name -> version, for store keys


def choose(backbone: Backbone, device: str) -> Runtime:
    """Chooses the runtime.

    Args:
      backbone: a prepared backbone.
      device: "auto", "cpu", "cpu:2" or "gpu", as typed.

    Raises:
      RunError: a GPU was requested and TensorFlow finds none; the message says why.
    """
    if backbone.precision != "float32" and not device.startswith("cpu"):
        device = "cpu"  # TensorFlow has no int8 graph to run
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
    """Raises RunError if a GPU is requested and TensorFlow is not installed or finds none; the message says why."""
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
    """Returns the peak memory of TensorFlow on the GPU in bytes; None if the network did not run on a GPU."""
    if runtime.device != "gpu":
        return None
    return int(tensorflow().config.experimental.get_memory_info("GPU:0")["peak"])


def why_no_gpu() -> str:
    """Explains why TensorFlow uses the CPU, and what to do."""
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
    """Returns the name of the first GPU that TensorFlow finds; "" if there is none."""
    check_tensorflow("--device=gpu", "use --device=cpu")
    tf = tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "a GPU")) if gpus else ""


def _nvidia_here() -> bool:
    return any(os.path.exists(path) for path in _DRIVER)  # noqa: PTH110 - nothing to join
