"""What runs a backbone here, and why that."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from label_image.errors import RunError
from label_image.quiet import tensorflow
from retrain.backbones.prepare import prepare
from retrain.features import runtimes
from retrain.options.options import Options
from tests.conftest import ROOT, STAND_IN, run_module, write_mean_colour_backbone


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    folder = write_mean_colour_backbone(tmp_path_factory.mktemp("models"))
    return prepare(Options.of(image_dir="photos", architecture=STAND_IN, model_dir=str(folder)).network, print)


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """Puts an NVIDIA driver here, or takes it away."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return lambda here: monkeypatch.setattr(runtimes, "_DRIVER", (str(tmp_path),) if here else ())


@pytest.fixture
def no_gpu(monkeypatch):
    """TensorFlow sees a CPU and nothing else."""
    tf = tensorflow()
    real = tf.config.list_physical_devices
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [] if kind == "GPU" else real("CPU"))
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: True)
    return tf


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_without_a_gpu_litert_runs_and_tensorflow_is_not_asked(backbone, driver, monkeypatch, device):
    driver(here=False)
    monkeypatch.setattr(runtimes, "tensorflow", lambda: pytest.fail("TensorFlow was asked"))
    runtime = runtimes.choose(backbone, device)
    assert (runtime.name, runtime.device, runtime.batch, runtime.why) == ("litert", "cpu", 1, "LiteRT on the CPU")


def test_what_litert_can_not_run_goes_to_tensorflow_and_says_why(backbone, driver):
    driver(here=False)
    without = dataclasses.replace(backbone, tflite=None, why_no_tflite="it lacks Svd")
    runtime = runtimes.choose(without, "auto")
    assert (runtime.name, runtime.device) == ("tensorflow", "cpu")
    assert runtime.why == f"TensorFlow on the CPU: LiteRT cannot run {STAND_IN} (it lacks Svd)"
    batch = np.random.default_rng(0).uniform(-1, 1, (3, 128, 128, 3)).astype(np.float32)
    litert = runtimes.choose(backbone, "cpu").make_runner()
    # Sums of 16,384 float32 a channel, in another order.
    np.testing.assert_allclose(runtime.make_runner().scores(batch), litert.scores(batch), atol=1e-5)


def test_a_gpu_asked_for_in_vain_is_one_line_with_what_is_seen_and_what_to_do(backbone, driver, no_gpu):
    driver(here=False)
    with pytest.raises(RunError) as caught:
        runtimes.choose(backbone, "gpu")
    assert str(caught.value) == (
        f"no GPU for --device=gpu: TensorFlow {no_gpu.__version__} sees only CPU, and there is no NVIDIA driver here; "
        "install the driver, or use --device=cpu"
    )


@pytest.mark.parametrize(
    ("cuda", "hidden", "says"),
    [
        (False, None, "is built without CUDA (it sees CPU); on Linux: pip install 'tensorflow[and-cuda]'"),
        (True, None, "its CUDA libraries are missing: pip install 'tensorflow[and-cuda]'"),
        (True, "-1", "CUDA_VISIBLE_DEVICES=-1 hides the GPU; unset it"),
    ],
)
def test_a_gpu_that_is_there_and_not_used_is_said(backbone, driver, no_gpu, monkeypatch, cuda, hidden, says):
    driver(here=True)
    monkeypatch.setattr(no_gpu.test, "is_built_with_cuda", lambda: cuda)
    if hidden:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    runtime = runtimes.choose(backbone, "auto")
    assert runtime.name == "litert"
    assert runtime.why.startswith("LiteRT on the CPU (there is a GPU, but ")
    assert says in runtime.why
    with pytest.raises(RunError) as caught:
        runtimes.choose(backbone, "gpu")
    assert says in str(caught.value)


def test_a_gpu_that_tensorflow_sees_is_taken(backbone, driver, monkeypatch):
    driver(here=True)
    monkeypatch.setattr(runtimes, "_gpu", lambda: "NVIDIA H100")
    runtime = runtimes.choose(backbone, "auto")
    assert (runtime.name, runtime.device, runtime.why) == ("tensorflow", "gpu", "TensorFlow on NVIDIA H100")
    assert runtime.batch > 1
    assert runtimes.choose(backbone, "cpu").name == "litert"


def test_the_memory_of_a_gpu_is_known_after_the_run_and_that_of_no_other(backbone, driver, monkeypatch):
    driver(here=True)
    monkeypatch.setattr(runtimes, "_gpu", lambda: "NVIDIA H100")
    asked = []
    memory = tensorflow().config.experimental
    monkeypatch.setattr(
        memory, "get_memory_info", lambda name: asked.append(name) or {"current": 3, "peak": 700_000_000}
    )
    assert runtimes.peak_memory(runtimes.choose(backbone, "gpu")) == 700_000_000
    assert runtimes.peak_memory(runtimes.choose(backbone, "cpu")) is None
    assert asked == ["GPU:0"]


@pytest.mark.slow
def test_memory_growth_is_on_before_a_gpu_is_used(tmp_path):
    """A TensorFlow that sees a GPU, as far as it can be had without one."""
    (tmp_path / "probe.py").write_text(
        "import os\n"
        "os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'\n"
        "import tensorflow as tf, sys\n"
        "calls = []\n"
        "real = tf.config.list_physical_devices\n"
        "tf.config.list_physical_devices = lambda kind=None: ['the GPU'] if kind == 'GPU' else real(kind)\n"
        "tf.config.experimental.set_memory_growth = lambda gpu, on: calls.append((gpu, on))\n"
        "start = tf.constant\n"
        "tf.constant = lambda *values: calls.append('start') or start(*values)\n"
        "del sys.modules['tensorflow']\n"
        "from unittest import mock\n"
        "import builtins\n"
        "real_import = builtins.__import__\n"
        "builtins.__import__ = lambda name, *rest: tf if name == 'tensorflow' else real_import(name, *rest)\n"
        "from label_image import quiet\n"
        "quiet.tensorflow()\n"
        "print(calls)\n"
    )
    seen = run_module("probe", cwd=tmp_path, env={"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    assert seen.stdout == "[('the GPU', True), 'start']\n", seen.stderr


def test_a_run_on_some_cores_says_how_many(backbone, driver):
    driver(here=False)
    assert runtimes.choose(backbone, "cpu:1").why == "LiteRT on the CPU, 1 of its cores"
    without = dataclasses.replace(backbone, tflite=None, why_no_tflite="it lacks Svd")
    assert runtimes.choose(without, "cpu:2").why.startswith("TensorFlow on the CPU, 2 of its cores: LiteRT cannot")
