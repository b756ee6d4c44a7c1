"""What counts only once it was read back: planted faults are caught, and a file that is wrong never gets its name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from label_image.errors import RunError
from label_image.model_metadata import Metadata
from label_image.photo_pixels import decode, normalise
from label_image.runners.litert import LitertRunner
from label_image.softmax import softmax
from retrain.backbones.prepare import prepare
from retrain.exporters import graph, verify
from retrain.exporters.expected import Expected
from retrain.exporters.order import Order
from retrain.exporters.table import EXPORT_FORMATS, GRAPH, ONNX, SAVED_MODEL, TFLITE
from retrain.exporters.verify import Measured, export
from retrain.files.hashing import file_digest
from retrain.options.options import Options
from retrain.types import Head, Photo
from tests.conftest import COLOURS, STAND_IN, write_photo


@pytest.fixture
def expected(model_dir, tmp_path):
    """A hand-made head on the mean-colour backbone, its photos and their features."""
    backbone = prepare(
        Options.of(image_dir="x", architecture=STAND_IN, model_dir=str(model_dir)).network, lambda _: None
    )
    for known in model_dir.glob("*.proof.json"):  # what TensorFlow ran in other tests
        known.unlink()
    runner = LitertRunner(backbone.tflite)
    photos = []
    for number, (label, colour) in enumerate(COLOURS.items()):
        path = write_photo(tmp_path / f"{label}.jpg", colour, number)
        photos.append(Photo(str(path), label, file_digest(path)))
    pixels = [normalise(decode(photo.path, 128, 128), backbone.mean, backbone.std) for photo in photos]
    weights = np.array([[-3, 2, 1], [2, -3, 1], [1, 2, -3]], np.float32)
    head = Head(weights, np.array([0.1, 0, -0.1], np.float32), tuple(COLOURS))
    metadata = Metadata(tuple(COLOURS), 128, 128, backbone.mean, backbone.std, backbone.input_layer, "final_result")
    features = runner.scores(np.stack(pixels))
    return Expected(tuple(photos), features, head, backbone, metadata, softmax(head.logits(features)))


@pytest.mark.parametrize("row", EXPORT_FORMATS, ids=lambda row: row.kind)
def test_a_right_export_gets_its_name(row, expected, tmp_path):
    made = export(Order(row, tmp_path / "out" / row.kind), expected)
    assert made.path.exists()
    assert made.largest_difference < 1e-4
    assert made.bytes > 0
    assert (made.agreement, made.images) == (1.0, len(expected.photos))
    assert made.accuracy == np.mean(expected.scores.argmax(axis=1) == expected.label_ids)
    assert made.interval[0] < made.accuracy <= made.interval[1]
    assert made.ms_image > 0


@pytest.mark.parametrize("row", EXPORT_FORMATS, ids=lambda row: row.kind)
def test_writing_twice_gives_the_same_labels_and_replaces_the_file(row, expected, tmp_path):
    export(Order(row, tmp_path / row.kind), expected)
    export(Order(row, tmp_path / row.kind), expected)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


FAULTS = {
    "labels in another order": lambda expected: dataclasses.replace(
        expected, metadata=dataclasses.replace(expected.metadata, labels=expected.metadata.labels[::-1])
    ),
    "divided twice": lambda expected: dataclasses.replace(
        expected, metadata=dataclasses.replace(expected.metadata, std=(127.5 * 255,))
    ),
    "another mean": lambda expected: dataclasses.replace(
        expected, metadata=dataclasses.replace(expected.metadata, mean=(0.0,))
    ),
    "features of other photos": lambda expected: dataclasses.replace(expected, features=expected.features[::-1].copy()),
    "nonsense features": lambda expected: dataclasses.replace(
        expected, features=np.full_like(expected.features, np.nan)
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught_and_the_old_file_stays(fault, expected, tmp_path):
    path = tmp_path / "retrained.tflite"
    path.write_text("the old one")
    with pytest.raises(RunError, match="is wrong and was not kept"):
        export(Order(TFLITE, path), FAULTS[fault](expected))
    assert path.read_text() == "the old one"
    assert [p.name for p in tmp_path.iterdir() if p.suffix in (".tmp", ".old")] == []


def test_blue_first_is_caught(expected, tmp_path, monkeypatch):
    from label_image import classifier

    monkeypatch.setattr(classifier, "decode", lambda *words: decode(*words)[..., ::-1])
    with pytest.raises(RunError, match="is wrong and was not kept"):
        export(Order(TFLITE, tmp_path / "retrained.tflite"), expected)


def test_a_wrong_size_is_caught(expected, tmp_path):
    small = dataclasses.replace(expected, metadata=dataclasses.replace(expected.metadata, height_px=64))
    with pytest.raises((RunError, ValueError)):
        export(Order(TFLITE, tmp_path / "retrained.tflite"), small)
    assert not (tmp_path / "retrained.tflite").exists()


def test_a_graph_that_tensorflow_ran_once_is_later_verified_by_its_bits(expected, tmp_path, monkeypatch):
    export(Order(GRAPH, tmp_path / "a.pb"), expected)
    monkeypatch.setattr(verify, "measure", lambda *_: pytest.fail("TensorFlow was run again"))
    other = dataclasses.replace(expected, head=dataclasses.replace(expected.head, weights=expected.head.weights * 2))
    made = export(Order(GRAPH, tmp_path / "b.pb"), other)
    assert "identical to a graph that TensorFlow verified before" in made.how


def test_a_graph_whose_bits_differ_is_run_again(expected, tmp_path, monkeypatch):
    export(Order(GRAPH, tmp_path / "a.pb"), expected)
    called = []
    monkeypatch.setattr(verify, "measure", lambda *_: called.append(1) or Measured(expected.scores, 1.0))
    monkeypatch.setattr(graph, "EXPORTER", dataclasses.replace(graph.EXPORTER, write=_write_with_another_node))
    export(Order(GRAPH, tmp_path / "b.pb"), expected)
    assert called == [1]


def _write_with_another_node(path, head, backbone, metadata):
    from retrain.formats.graph_def import constant, read_graph

    graph.write(path, head, backbone, metadata)
    changed = read_graph(path)
    constant(changed, "stranger", np.array([1], np.float32))
    path.write_bytes(changed.SerializeToString())


def test_a_saved_model_answers_bytes_as_it_answers_pixels(expected, tmp_path):
    from label_image.quiet import tensorflow

    export(Order(SAVED_MODEL, tmp_path / "saved"), expected)
    tf = tensorflow()
    signatures = tf.saved_model.load(str(tmp_path / "saved")).signatures
    data = [Path(photo.path).read_bytes() for photo in expected.photos]
    scores = signatures["serving_bytes"](image_bytes=tf.constant(data))["prediction"].numpy()
    assert np.abs(scores - expected.scores).max() < 0.005  # TensorFlow's resize rounds otherwise where it is a tie
    pixels = np.stack([decode(photo.path, 128, 128) for photo in expected.photos]) / np.float32(255)
    scores = signatures["serving_default"](image=tf.constant(pixels))["prediction"].numpy()
    assert np.abs(scores - expected.scores).max() < 1e-5


def test_a_saved_model_is_a_feature_vector_for_the_next_classifier(expected, tmp_path):
    from label_image.quiet import tensorflow

    export(Order(SAVED_MODEL, tmp_path / "saved"), expected)
    pixels = np.stack([decode(photo.path, 128, 128) for photo in expected.photos])
    loaded = tensorflow().saved_model.load(str(tmp_path / "saved"))  # what hub.load does
    assert np.abs(loaded(pixels / np.float32(255)).numpy() - expected.features).max() < 1e-5
    options = Options.of(image_dir="x", tfhub_module=str(tmp_path / "saved"), model_dir=str(tmp_path / "models"))
    again = prepare(options.network, lambda _: None)
    assert (again.height_px, again.width_px, again.width) == (128, 128, 3)
    scaled = normalise(pixels, again.mean, again.std)
    assert np.abs(LitertRunner(again.tflite).scores(scaled) - expected.features).max() < 1e-5


def test_an_onnx_file_of_others_is_refused_in_one_line(expected, tmp_path, label_image):
    made = export(Order(ONNX, tmp_path / "ours.onnx"), expected)
    assert label_image(f"--graph={made.path}", f"--image={expected.photos[0].path}").returncode == 0
    import onnx

    model = onnx.load(str(made.path))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "theirs.onnx"))
    done = label_image(f"--graph={tmp_path / 'theirs.onnx'}", f"--image={expected.photos[0].path}")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "has no metadata about its size, range and labels" in done.stderr
    (tmp_path / "broken.onnx").write_bytes(made.path.read_bytes()[:500])
    done = label_image(f"--graph={tmp_path / 'broken.onnx'}", f"--image={expected.photos[0].path}")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "the ONNX file is damaged" in done.stderr
