"""Scores that are not finite are an error, and a network with a fixed batch size labels a single photo."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from label_image import Classifier
from label_image.errors import NoScoresError, PhotoError, RunError
from label_image.photo_pixels import decode
from retrain.formats.graph_def import constant, new_graph, operation, placeholder
from retrain.formats.tflite_model import TfliteModel
from tests.colour_graphs import NAMES, SIDE, colours, expected, save, weights
from tests.conftest import SHARED, write_photo
from tests.test_detectors_tflite import colour_tflite, finish

CASES = SHARED / "cases/graphs"


@pytest.fixture
def photo(tmp_path):
    return write_photo(tmp_path / "photos/p.jpg", (90, 160, 200), 5, (SIDE, SIDE))


@pytest.fixture(params=[np.nan, np.inf])
def nan_tflite(request, tmp_path):
    """Adds NaN to the pixels."""
    return colour_tflite(tmp_path / "n.tflite", arithmetic=[("ADD", request.param)])


def test_nan_is_an_error_for_the_photo(nan_tflite, photo):
    classifier = Classifier(nan_tflite, threads=1)
    with pytest.raises(NoScoresError, match="the network outputs NaN in 3 of 3 scores"):
        classifier.classify(photo)
    (answer,) = classifier.classify_all([photo])
    assert isinstance(answer.error, PhotoError)
    assert answer.top(5) == []
    with pytest.raises(RunError, match="NaN in 3 of 3 scores"):
        classifier.scores(np.zeros((1, SIDE, SIDE, 3), np.float32))


def test_infinite_logits_cause_no_warning(tmp_path, photo, recwarn):
    path = colour_tflite(tmp_path / "n.tflite", arithmetic=[("ADD", np.inf)], end="")
    (answer,) = Classifier(path, threads=1).classify_all([photo])
    assert isinstance(answer.error, NoScoresError)
    assert [str(warning.message) for warning in recwarn if issubclass(warning.category, RuntimeWarning)] == []


@pytest.mark.parametrize("form", ["text", "json", "jsonl", "csv"])
def test_every_format_has_an_error_and_status_1(label_image, tmp_path, photo, form):
    path = colour_tflite(tmp_path / "n.tflite", first="MobilenetV1/x", arithmetic=[("ADD", np.nan)])
    done = label_image(f"--graph={path}", f"--image={photo}", f"--format={form}")
    assert done.returncode == 1
    assert "score=" not in done.stdout
    why = "no scores: the network outputs NaN in 3 of 3 scores"
    if form == "text":
        assert f"cannot label {photo}: {why}" in done.stderr
    elif form == "csv":
        assert next(csv.DictReader(io.StringIO(done.stdout)))["error"] == why
    else:
        (row,) = json.loads(done.stdout) if form == "json" else [json.loads(done.stdout)]
        assert (row["labels"], row["error"]) == ([], why)
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


def test_a_benchmark_of_such_a_network_says_why_there_is_nothing_to_measure(tmp_path, photo):
    from label_image import benchmark

    path = colour_tflite(tmp_path / "n.tflite", arithmetic=[("ADD", np.nan)])
    with pytest.raises(RunError, match="none of 1 photos can be labelled .no scores: the network outputs NaN"):
        benchmark.measure(lambda: Classifier(path), [str(photo)], 1, 0.01)


def test_the_page_reports_it_too(tmp_path, photo):
    from label_image.demo.answers import answer, html_of
    from label_image.demo.choices import ClassifierCache

    path = colour_tflite(tmp_path / "n.tflite", arithmetic=[("ADD", np.nan)])
    html = html_of(answer(str(photo), "p.jpg", ClassifierCache().load(str(path))))
    assert "This photo cannot be labelled: no scores: the network outputs NaN in 3 of 3 scores" in html


def batch_tflite(path, count):
    """Softmax of the mean colour, for exactly `count` photos at once, because of its RESHAPE."""
    kernel, bias = weights(colours())
    model = TfliteModel()
    source = model.tensor("MobilenetV1/image", [count, SIDE, SIDE, 3])
    model.graph.inputs = np.array([source], np.int32)
    pooled, flat = model.tensor("pooled", [count, 3]), model.tensor("flat", [count, 3])
    axes = model.tensor("axes", [2], np.array([1, 2], np.int32))
    model.operator("MEAN", [source, axes], pooled, model.options("ReducerOptions", keepDims=False))
    model.operator("RESHAPE", [pooled, model.tensor("to", [2], np.array([count, 3], np.int32))], flat)
    logits, scores = model.tensor("logits", [count, 3]), model.tensor("scores", [count, 3])
    parts = [flat, model.tensor("w", [3, 3], np.ascontiguousarray(kernel.T)), model.tensor("b", [3], bias)]
    model.operator("FULLY_CONNECTED", parts, logits, model.options("FullyConnectedOptions"))
    model.operator("SOFTMAX", [logits], scores, model.options("SoftmaxOptions", beta=1.0))
    return finish(model, path, scores)


def batch_graph(count):
    """The same as a GraphDef."""
    kernel, bias = weights(colours())
    graph = new_graph()
    source = placeholder(graph, "MobilenetV1/image", [count, SIDE, SIDE, 3])
    at = operation(graph, "AvgPool", "pool", [source], ksize=[1, SIDE, SIDE, 1], strides=[1, 1, 1, 1], padding="VALID")
    at = operation(graph, "Reshape", "flat", [at, constant(graph, "to", np.array([count, 3], np.int32))])
    at = operation(graph, "MatMul", "product", [at, constant(graph, "kernel", kernel)])
    at = operation(graph, "Add", "logits", [at, constant(graph, "bias", bias)])
    operation(graph, "Softmax", "final_result", [at])
    return graph


@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.parametrize("kind", ["tflite", "pb", "saved_model"])
def test_a_network_with_a_fixed_batch_size_labels_each_photo(tmp_path, photo, kind, count):
    if kind == "tflite":
        path = batch_tflite(tmp_path / "m.tflite", count)
    elif kind == "pb":
        path = save(batch_graph(count), tmp_path / "m.pb")
    else:
        path = saved_model_of(batch_graph(count), tmp_path / "saved")
    other = write_photo(tmp_path / "photos/q.jpg", (200, 40, 90), 6, (SIDE, SIDE))
    classifier = Classifier(path, threads=1)
    assert classifier.metadata.labels == NAMES
    for name, answer in zip((photo, other), classifier.classify_all([photo, other]), strict=True):
        np.testing.assert_allclose(answer.scores, expected(decode(name, SIDE, SIDE)), atol=1e-5)


def saved_model_of(graph, folder):
    """A SavedModel with the graph as its signature, and a labels file."""
    tf = pytest.importorskip("tensorflow")
    graph = tf.compat.v1.GraphDef.FromString(graph.SerializeToString())
    with tf.Graph().as_default() as built, tf.compat.v1.Session() as session:
        tf.import_graph_def(graph, name="")
        tf.compat.v1.saved_model.simple_save(
            session, str(folder), {"image": built.get_tensor_by_name("MobilenetV1/image:0")},
            {"scores": built.get_tensor_by_name("final_result:0")},
        )  # fmt: skip
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in NAMES))
    return folder


def test_an_onnx_file_with_a_fixed_batch_size_labels_each_photo(tmp_path):
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    from label_image.runners.onnx import OnnxRunner

    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("ReduceMean", ["image"], ["scores"], axes=[1, 2], keepdims=0)
    graph = onnx.helper.make_graph([node], "g", [value("image", 1, [4, 2, 2, 3])], [value("scores", 1, [4, 3])])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    runner = OnnxRunner(tmp_path / "m.onnx")
    for count in (1, 4, 6):
        batch = np.random.default_rng(count).random((count, 2, 2, 3), np.float32)
        np.testing.assert_allclose(runner.scores(batch), batch.mean((1, 2)), atol=1e-6)


@pytest.mark.shared
def test_real_files_with_nan_with_a_batch_of_eight_and_with_minus_zero(shared_data):
    photo = next(iter(sorted((shared_data / "flower_photos/daisy").glob("*.jpg"))))
    for name in ("nan", "affine255"):  # unassigned variables: NaN in a new process, anything in an old one
        classifier = Classifier(CASES / f"{name}.tflite")
        assert "variables that the file never initialises" in classifier.metadata.facts["output"]
        with pytest.raises(NoScoresError):
            classifier.classify(photo)
    for name, count in (("batch8", 3), ("minus_zero", 2)):
        assert Classifier(CASES / f"{name}.tflite").classify(photo).scores.shape == (count,)
