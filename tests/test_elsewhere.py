"""docs/elsewhere.md is run: each of its programs, in the client that it is for, on the default network's real exports."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import warnings

import numpy as np
import pytest
from PIL import Image

from label_image.classifier import Classifier
from label_image.find_metadata import Overrides
from label_image.labels import format_labels
from label_image.model_metadata import Metadata
from label_image.photo_pixels import decode, normalise
from label_image.quiet import has_tensorflow, tensorflow
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.prepare import prepare
from retrain.backbones.quantize import quantized
from retrain.exporters import graph, onnx, other_program_run, saved_model, tflite
from retrain.files.hashing import file_digest
from retrain.options.options import Options
from retrain.types import Head, Photo
from tests.conftest import COLOURS, ROOT

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs/elsewhere.md").read_text("utf-8")
PROGRAMS = re.findall(r"<!-- run: (\w+) -->\n```python\n(.*?)```", PAGE, re.DOTALL)
LABELS = tuple(COLOURS)
NAMES = [f"{number}-{client}" for number, (client, _) in enumerate(PROGRAMS)]
# A score that a client gives may differ: rounding; int8's own kernels; a resize of its own.
WITHIN = {"cv2": 0.25, "mediapipe": 0.25, "openvino": 0.06}
OF_TENSORFLOW = ("tensorflow", "keras", "tensorflow_hub")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_dir):
    """`photo.jpg`, and `tf_files` with every export of the default network and a head of random numbers."""
    folder = tmp_path_factory.mktemp("elsewhere")
    files = folder / "tf_files"
    files.mkdir()
    rng = np.random.default_rng(5)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8))
    coarse.resize((400, 300), Image.Resampling.BICUBIC).save(folder / "photo.jpg", quality=95)
    photo, options = folder / "photo.jpg", Options.of(image_dir="x", model_dir=str(model_dir))
    backbone = prepare(options.network, lambda _: None)
    head = Head(rng.normal(0, 0.1, (backbone.width, 3)).astype(np.float32), np.zeros(3, np.float32), LABELS)
    size = (backbone.height_px, backbone.width_px)
    metadata = Metadata(LABELS, *size, backbone.mean, backbone.std, backbone.input_layer, "final_result")
    int8 = quantized(
        backbone,
        "int8",
        [Photo(str(photo), "x", file_digest(photo))],
        ModelFolder.of(options.network, lambda _: None),
        lambda _: None,
    )
    tflite.write(files / "retrained.tflite", head, backbone, metadata)
    tflite.write(files / "retrained_int8.tflite", head, int8, metadata)
    graph.write(files / "retrained_graph.pb", head, backbone, metadata)
    (files / "retrained_labels.txt").write_bytes(format_labels(LABELS))
    if has_tensorflow():
        saved_model.write(files / "retrained_saved_model", head, backbone, metadata)
        if importlib.util.find_spec("tf2onnx"):
            onnx.write(files / "retrained.onnx", head, backbone, metadata)
    return folder


def run(program, folder, monkeypatch):
    """What a program prints, when it is run beside `tf_files`."""
    monkeypatch.chdir(folder)
    heard = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(heard):
        warnings.simplefilter("ignore")  # of the clients themselves
        exec(compile(program, "docs/elsewhere.md", "exec"), {"__name__": "__main__"})
    return [line.rsplit(" ", 1) for line in heard.getvalue().splitlines()]


@pytest.mark.parametrize(("client", "program"), PROGRAMS, ids=NAMES)
def test_a_program_of_the_page_answers_as_label_image_does(client, program, folder, monkeypatch):
    if not importlib.util.find_spec(client):
        pytest.skip(f"{client} is not installed: pip install '.[test]', or {client} itself")
    for file in re.findall(r"tf_files/\S+?(?=[\"'])", program):
        if not (folder / file).exists() and "4.x" not in program:
            pytest.skip(f"{file} cannot be made here: pip install '.[onnx]'")
    if client in OF_TENSORFLOW:
        tensorflow()  # quietly, and once for all of them
    file = "retrained_int8.tflite" if "int8" in program else "retrained.tflite"
    answer = Classifier(folder / "tf_files" / file).classify(folder / "photo.jpg")
    ((label, score),) = answer.top(1)
    said = run(program, folder, monkeypatch)
    assert len(said) == program.count("print(")
    for their_label, their_score in said:
        assert their_label == label
        assert float(their_score) == pytest.approx(score, abs=WITHIN.get(client, 0.01))


def test_what_comes_out_of_tensorflow_s_converter_labels_right_with_label_image(folder, monkeypatch):
    tensorflow()
    (program,) = (program for _, program in PROGRAMS if "from_saved_model" in program)
    if not (folder / "converted.tflite").exists():
        run(program, folder, monkeypatch)
    labels = Overrides(labels=str(folder / "tf_files/retrained_labels.txt"))
    theirs = Classifier(folder / "converted.tflite", labels)
    ours = Classifier(folder / "tf_files/retrained.tflite").classify(folder / "photo.jpg")
    np.testing.assert_allclose(theirs.classify(folder / "photo.jpg").scores, ours.scores, atol=1e-4)


def test_the_page_names_each_client_and_says_which_are_not_run():
    assert {client for client, _ in PROGRAMS} >= {
        "ai_edge_litert",
        "cv2",
        "onnxruntime",
        "openvino",
        "tensorflow",
        "keras",
    }
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    for part in parts[4:-1]:
        name = part.splitlines()[0]
        assert ("run by the tests" in part.lower()) == ("<!-- run:" in part), name
        assert ("Not run by tests" in part) != ("<!-- run:" in part), name


def test_every_program_of_the_page_is_marked_for_a_client():
    assert PAGE.count("```python") == len(PROGRAMS)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("module", "file"),
    [
        ("cv2", "retrained.tflite"), ("openvino", "retrained.tflite"), ("openvino", "retrained_int8.tflite"),
        ("openvino", "retrained_dynamic.tflite"), ("tflite_runtime", "retrained_int8.tflite"),
    ],
)  # fmt: skip
def test_real_photos_get_our_labels_from_the_other_runtimes(module, file, flowers, shared_data):
    pytest.importorskip(module, reason=f"{module} is not installed")
    classifier = Classifier(flowers / "tf_files" / file)
    metadata = classifier.metadata
    paths = [
        path
        for kind in sorted(path for path in (shared_data / "flower_photos").iterdir() if path.is_dir())
        for path in sorted(kind.glob("*.jpg"))[40:42]
    ]
    ours = np.stack([answer.scores for answer in classifier.classify_all([str(path) for path in paths])])
    pixels = np.stack(
        [normalise(decode(path, metadata.height_px, metadata.width_px), metadata.mean, metadata.std) for path in paths]
    )
    theirs = other_program_run.RUNS[module](str(flowers / "tf_files" / file), pixels)
    assert (len(paths), theirs.argmax(axis=1).tolist()) == (10, ours.argmax(axis=1).tolist())
    assert np.abs(theirs - ours).max() < (1e-4 if file == "retrained.tflite" else 0.1)
