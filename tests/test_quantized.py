"""Quantized backbones: the accuracy they keep, the files they write and what is refused, with the stand-in and the real default."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from label_image.classifier import Classifier
from label_image.errors import RunError, UserError
from label_image.photo_pixels import decode, normalise
from label_image.runners.litert import LitertRunner
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.prepare import prepare
from retrain.backbones.quantize import CALIBRATION_PHOTOS, in_turn, quantized
from retrain.exporters.expected import Expected
from retrain.exporters.order import why_not
from retrain.exporters.verify import check_loss
from retrain.files.hashing import file_digest
from retrain.options.options import Options
from retrain.pipeline.write_exports import orders_of
from retrain.types import Head, Photo
from tests.conftest import COLOURS, ROOT, STAND_IN, write_photo

PRECISIONS = ("float16", "dynamic", "int8")


@pytest.fixture
def photos(tmp_path):
    """Three photos of each colour."""
    made = []
    for label, colour in COLOURS.items():
        for number in range(3):
            path = write_photo(tmp_path / "photos" / label / f"{number}.jpg", colour, number)
            made.append(Photo(str(path), label, file_digest(path)))
    return made


@pytest.fixture
def options(model_dir):
    return Options.of(image_dir="x", architecture=STAND_IN, model_dir=str(model_dir))


def features(backbone, photos):
    size = (backbone.height_px, backbone.width_px)
    pixels = [normalise(decode(photo.path, *size), backbone.mean, backbone.std) for photo in photos]
    return LitertRunner(backbone.tflite).scores(np.stack(pixels))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_its_features_are_close_to_those_of_the_backbone_and_it_is_made_once(precision, options, photos, monkeypatch):
    backbone = prepare(options.network, lambda _: None)
    first = quantized(backbone, precision, photos, ModelFolder.of(options.network, lambda _: None), lambda _: None)
    assert first.precision == precision
    assert first.digest != backbone.digest
    wanted, got = features(backbone, photos), features(first, photos)
    difference = np.abs(
        got - wanted
    ).max()  # features are 0..2; the weights of the stand-in, 0 and 1, are exact in float16
    assert difference < 0.03
    assert (difference > 0) == (precision != "float16")
    monkeypatch.setattr("retrain.backbones.quantize._quantize", lambda *_: pytest.fail("made again"))
    assert (
        quantized(backbone, precision, photos, ModelFolder.of(options.network, lambda _: None), lambda _: None) == first
    )


def test_a_damaged_file_is_made_again_and_this_is_reported(options, photos):
    backbone = prepare(options.network, lambda _: None)
    first = quantized(backbone, "float16", photos, ModelFolder.of(options.network, lambda _: None), lambda _: None)
    first.tflite.write_bytes(first.tflite.read_bytes()[:-9])
    said = []
    again = quantized(backbone, "float16", photos, ModelFolder.of(options.network, said.append), said.append)
    assert again.digest == first.digest
    assert any("changed or damaged" in line for line in said)


def test_other_labels_are_calibrated_again(options, photos):
    backbone = prepare(options.network, lambda _: None)
    all_three = quantized(backbone, "int8", photos, ModelFolder.of(options.network, lambda _: None), lambda _: None)
    two = quantized(backbone, "int8", photos[:6], ModelFolder.of(options.network, lambda _: None), lambda _: None)
    assert two.tflite != all_three.tflite


def test_calibration_takes_all_classes_in_turn():
    photos = [Photo(f"{label}/{number}", label, "") for label in "abc" for number in range(100)]
    chosen = in_turn(photos, CALIBRATION_PHOTOS)
    assert [photo.path for photo in chosen[:4]] == ["a/0", "b/0", "c/0", "a/1"]
    assert {label: sum(p.label == label for p in chosen) for label in "abc"} == dict.fromkeys("abc", 20)
    assert in_turn(photos[:1], 5) == photos[:1]


def test_a_backbone_without_tflite_cannot_be_quantized(options, photos):
    backbone = dataclasses.replace(
        prepare(options.network, lambda _: None), tflite=None, why_no_tflite="it lacks Lgamma"
    )
    with pytest.raises(UserError, match="cannot quantize .* Lgamma.*--quantize=none"):
        quantized(backbone, "int8", photos, ModelFolder.of(options.network, lambda _: None), lambda _: None)


def test_unreadable_photos_do_not_stop_calibration_unless_all_are_unreadable(options, photos, tmp_path):
    backbone = prepare(options.network, lambda _: None)
    lost = [Photo(str(tmp_path / f"lost{number}.jpg"), "lost", "") for number in range(2)]
    assert quantized(
        backbone, "int8", [*lost, *photos], ModelFolder.of(options.network, lambda _: None), lambda _: None
    ).tflite.is_file()
    with pytest.raises(RunError, match="none of the training photos can be read"):
        quantized(backbone, "int8", lost, ModelFolder.of(options.network, lambda _: None), lambda _: None)


def test_one_run_writes_all_four_and_lists_them_in_a_table(retrain_here, colour_photos, model_dir, tmp_path):
    done = retrain_here(
        f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}",
        "--how_many_training_steps=300", "--export=tflite,device_folder", "--quantize=none,float16,dynamic,int8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (record,) = (tmp_path / "tf_files" / "runs").glob("*/run.json")
    exports = {made["path"]: made for made in json.loads(record.read_text())["exports"] if made["accuracy"] is not None}
    assert {path: made["quantize"] for path, made in exports.items()} == {
        "tf_files/retrained.tflite": "none",
        "tf_files/retrained_float16.tflite": "float16",
        "tf_files/retrained_dynamic.tflite": "dynamic",
        "tf_files/retrained_int8.tflite": "int8",
        "tf_files/device": "none",
    }
    for path, made in exports.items():
        row = re.search(rf"^{re.escape(path)} .*$", done.stdout, re.MULTILINE).group()
        assert f"{made['agreement']:.1%}" in row
        assert f"{made['accuracy']:.1%} ({made['interval'][0]:.1%} to {made['interval'][1]:.1%})" in row
        assert made["images"] == json.loads(record.read_text())["tested"]
    example = min(colour_photos.rglob("*.jpg"))
    for path in exports:
        file = tmp_path / path if path.endswith(".tflite") else tmp_path / path / "model.tflite"
        training = Classifier(file).metadata.training
        assert (training["test_accuracy"], training["tested"]) == (exports[path]["accuracy"], exports[path]["images"])
        if path.endswith(".tflite"):
            assert Classifier(tmp_path / path).classify(example).top(1)[0][0] == example.parent.name


def test_an_int8_backbone_trains_and_exports_and_no_graph_is_made_of_it(
    retrain_here, colour_photos, model_dir, tmp_path
):
    words = (f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}")
    done = retrain_here(*words, "--how_many_training_steps=300", "--backbone_precision=int8")
    assert done.returncode == 0, done.stderr
    assert "LiteRT on the CPU in int8" in done.stdout
    assert "no tf_files/retrained_graph.pb is written: only LiteRT runs" in done.stderr
    assert not (tmp_path / "tf_files" / "retrained_graph.pb").exists()
    metadata = Classifier(tmp_path / "tf_files" / "retrained.tflite").metadata
    assert metadata.training["precision"] == "int8"
    assert re.search(r"^tf_files/retrained.tflite .* 100\.0% +\d+e-\d+ ", done.stdout, re.MULTILINE)
    computed = [line for line in done.stdout.splitlines() if "photos/s" in line]
    again = retrain_here(*words, "--how_many_training_steps=300", "--backbone_precision=int8")
    assert computed
    assert "photos/s" not in again.stdout  # its features were stored under their own key
    both = retrain_here(*words, "--how_many_training_steps=10", "--output_graph=")
    assert "photos/s" in both.stdout


def test_a_faulty_quantizer_fails_the_run_and_the_photos_are_named(colour_photos, model_dir, tmp_path):
    """The quantized backbone of the started process has its channels reversed on purpose."""
    planted = """
import sys
import numpy as np
from retrain.backbones import quantize as room
from retrain.formats.tflite_model import TfliteModel

def turned(backbone, precision, photos):
    model = TfliteModel.unpacked(backbone.tflite.read_bytes(), "x")
    for buffer in model._model.buffers:
        if buffer.data is not None and len(buffer.data) == 3 * 3 * 4:
            kernel = np.frombuffer(bytes(buffer.data), np.float32).reshape(3, 3)
            buffer.data = np.frombuffer(np.ascontiguousarray(kernel[:, ::-1]).tobytes(), np.uint8)
    return model.to_bytes()

room._quantize = turned
from retrain.cli import main
sys.exit(main(sys.argv[1:]))
"""
    models = shutil.copytree(model_dir, tmp_path / "models", ignore=shutil.ignore_patterns("*.dynamic.*"))
    done = subprocess.run(
        [sys.executable, "-c", planted, f"--image_dir={colour_photos}", f"--architecture={STAND_IN}",
         f"--model_dir={models}", "--how_many_training_steps=300", "--export=tflite", "--quantize=none,dynamic"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(
        r"retrain: the quantized tf_files/retrained_dynamic.tflite loses \d+\.\d points of accuracy \(\d+ of \d+ photos right, "
        r"the trained model \d+\) and was not kept; \d+ photos differ",
        done.stderr,
    )
    assert re.search(
        r"WARNING: \S+\.jpg: tf_files/retrained_dynamic.tflite says \w+, the trained model \w+", done.stderr
    )
    assert not list((tmp_path / "tf_files").glob("retrained*"))  # either all exports are written or none


@pytest.mark.parametrize(
    ("wrong", "count", "most", "fails"),
    [(1, 10, 2.0, False), (2, 10, 2.0, True), (2, 10, 20.0, False), (2, 200, 2.0, False), (5, 200, 2.0, True)],
)
def test_the_loss_of_accuracy_that_quantization_may_cause_is_limited(wrong, count, most, fails, options, tmp_path):
    head = Head(np.eye(2, dtype=np.float32), np.zeros(2, np.float32), ("a", "b"))
    photos = tuple(Photo(f"{number}.jpg", "a", "") for number in range(count))
    right = np.tile(np.array([0.9, 0.1], np.float32), (count, 1))
    scores = right.copy()
    scores[:wrong] = scores[:wrong, ::-1]
    said = []
    expected = Expected(photos, right, head, None, None, right, most, said.append)
    if fails:
        with pytest.raises(RunError, match=f"loses .* points.*{wrong} photos differ"):
            check_loss(tmp_path / "q.tflite", scores, expected)
        assert said[0].startswith("0.jpg: ")
        assert len(said) == wrong
    else:
        check_loss(tmp_path / "q.tflite", scores, expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, ["tf_files/retrained.tflite none", "tf_files/retrained_graph.pb none"]),
        ({"export": "pb"}, ["tf_files/retrained_graph.pb none"]),
        ({"export": "saved_model,onnx"}, ["tf_files/retrained_saved_model none", "tf_files/retrained.onnx none"]),
        ({"output_tflite": ""}, ["tf_files/retrained_graph.pb none"]),
        ({"export": "tflite", "device_folder": "pi"}, ["tf_files/retrained.tflite none", "pi none"]),
        (
            {"export": "tflite, device_folder", "quantize": "int8,none", "output_tflite": "a.b.tflite"},
            ["a.b.tflite int8", "a.b_none.tflite none", "tf_files/device int8"],
        ),
        ({"backbone_precision": "int8", "export": "tflite"}, ["tf_files/retrained.tflite int8"]),
    ],
)
def test_each_precision_is_written_to_its_own_file(words, expected):
    assert [f"{order.path} {order.quantize}" for order in orders_of(Options.of(image_dir="x", **words))] == expected


def test_a_graph_of_an_int8_backbone_is_not_written(options, photos):
    folder = ModelFolder.of(options.network, lambda _: None)
    backbone = quantized(prepare(options.network, lambda _: None), "int8", photos, folder, lambda _: None)
    assert ["only LiteRT" in why_not(order, backbone) for order in orders_of(Options.of(image_dir="x"))] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"export": "tf-lite"}, "unknown --export=tf-lite; choose of tflite, pb"),
        ({"export": ","}, "--export is empty"),
        ({"quantize": "uint8"}, "unknown --quantize=uint8; choose of none, float16"),
        ({"backbone_precision": "int8", "quantize": "none,float16"}, "exclude each other"),
        ({"backbone_precision": "int8", "device": "gpu"}, "runs on the CPU only"),
        ({"backbone_precision": "int8", "intermediate_store_frequency": 5}, "leave one out"),
        ({"max_quantization_loss": -1.0}, "max_quantization_loss"),
    ],
)
def test_contradictory_flags_are_refused(words, message):
    with pytest.raises(UserError, match=message):
        Options.of(image_dir="x", **words)


@pytest.mark.shared
def test_the_real_default_in_int8_keeps_its_accuracy_and_is_small(flowers):
    """150 flowers; the mean of ten splits of 1,000 is in docs/results.md."""
    (path,) = (flowers / "tf_files" / "runs").glob("*/run.json")
    made = {one["quantize"]: one for one in json.loads(path.read_text())["exports"] if one["kind"] == "tflite"}
    exact, int8 = made["none"], made["int8"]
    assert int8["bytes"] < 4.2e6
    assert exact["bytes"] > 13e6
    assert exact["agreement"] == 1
    assert exact["images"] > 10
    assert int8["agreement"] > 0.7
    assert int8["accuracy"] > exact["accuracy"] - 0.15
