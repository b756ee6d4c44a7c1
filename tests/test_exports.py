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
from retrain.exporters import verify
from retrain.exporters.table import EXPORTERS, Order
from retrain.exporters.verify import Measured, Proof, export
from retrain.files.hashing import file_digest
from retrain.options.options import Options
from retrain.types import Head, Photo
from tests.conftest import COLOURS, STAND_IN, write_photo

TFLITE, GRAPH, SAVED_MODEL, ONNX, DEVICE_FOLDER = EXPORTERS


@pytest.fixture
def proof(model_dir, tmp_path):
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
    return Proof(tuple(photos), features, head, backbone, metadata, softmax(head.logits(features)))


@pytest.mark.parametrize("row", EXPORTERS, ids=lambda row: row.kind)
def test_a_right_export_gets_its_name(row, proof, tmp_path):
    made = export(Order(row, tmp_path / "out" / row.kind), proof)
    assert made.path.exists()
    assert made.largest_difference < 1e-4
    assert made.bytes > 0
    assert (made.agreement, made.images) == (1.0, len(proof.photos))
    assert made.accuracy == np.mean(proof.expected.argmax(axis=1) == proof.label_ids)
    assert made.interval[0] < made.accuracy <= made.interval[1]
    assert made.ms_image > 0


@pytest.mark.parametrize("row", EXPORTERS, ids=lambda row: row.kind)
def test_writing_twice_gives_the_same_labels_and_replaces_the_file(row, proof, tmp_path):
    export(Order(row, tmp_path / row.kind), proof)
    export(Order(row, tmp_path / row.kind), proof)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


FAULTS = {
    "labels in another order": lambda proof: dataclasses.replace(
        proof, metadata=dataclasses.replace(proof.metadata, labels=proof.metadata.labels[::-1])
    ),
    "divided twice": lambda proof: dataclasses.replace(
        proof, metadata=dataclasses.replace(proof.metadata, std=(127.5 * 255,))
    ),
    "another mean": lambda proof: dataclasses.replace(proof, metadata=dataclasses.replace(proof.metadata, mean=(0.0,))),
    "features of other photos": lambda proof: dataclasses.replace(proof, features=proof.features[::-1].copy()),
    "nonsense features": lambda proof: dataclasses.replace(proof, features=np.full_like(proof.features, np.nan)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught_and_the_old_file_stays(fault, proof, tmp_path):
    path = tmp_path / "retrained.tflite"
    path.write_text("the old one")
    with pytest.raises(RunError, match="is wrong and was not kept"):
        export(Order(TFLITE, path), FAULTS[fault](proof))
    assert path.read_text() == "the old one"
    assert [p.name for p in tmp_path.iterdir() if p.suffix in (".tmp", ".old")] == []


def test_blue_first_is_caught(proof, tmp_path, monkeypatch):
    from label_image import classifier

    monkeypatch.setattr(classifier, "decode", lambda *words: decode(*words)[..., ::-1])
    with pytest.raises(RunError, match="is wrong and was not kept"):
        export(Order(TFLITE, tmp_path / "retrained.tflite"), proof)


def test_a_wrong_size_is_caught(proof, tmp_path):
    small = dataclasses.replace(proof, metadata=dataclasses.replace(proof.metadata, height_px=64))
    with pytest.raises((RunError, ValueError)):
        export(Order(TFLITE, tmp_path / "retrained.tflite"), small)
    assert not (tmp_path / "retrained.tflite").exists()


def test_a_graph_that_tensorflow_ran_once_is_later_proved_by_its_bits(proof, tmp_path, monkeypatch):
    export(Order(GRAPH, tmp_path / "a.pb"), proof)
    monkeypatch.setattr(verify, "measure", lambda *_: pytest.fail("TensorFlow was run again"))
    other = dataclasses.replace(proof, head=dataclasses.replace(proof.head, weights=proof.head.weights * 2))
    made = export(Order(GRAPH, tmp_path / "b.pb"), other)
    assert "bit by bit" in made.how


def test_a_graph_whose_bits_differ_is_run_again(proof, tmp_path, monkeypatch):
    export(Order(GRAPH, tmp_path / "a.pb"), proof)
    called = []
    monkeypatch.setattr(verify, "measure", lambda *_: called.append(1) or Measured(proof.expected, 1.0))
    monkeypatch.setattr(GRAPH.__class__, "write", property(lambda _: _write_with_another_node))
    export(Order(GRAPH, tmp_path / "b.pb"), proof)
    assert called == [1]


def _write_with_another_node(path, head, backbone, metadata):
    from retrain.exporters import graph
    from retrain.formats.graph_def import constant, read_graph

    graph.write(path, head, backbone, metadata)
    changed = read_graph(path)
    constant(changed, "stranger", np.array([1], np.float32))
    path.write_bytes(changed.SerializeToString())


def test_a_saved_model_answers_bytes_as_it_answers_pixels(proof, tmp_path):
    from label_image.quiet import tensorflow

    export(Order(SAVED_MODEL, tmp_path / "saved"), proof)
    tf = tensorflow()
    signatures = tf.saved_model.load(str(tmp_path / "saved")).signatures
    data = [Path(photo.path).read_bytes() for photo in proof.photos]
    scores = signatures["serving_bytes"](image_bytes=tf.constant(data))["prediction"].numpy()
    assert np.abs(scores - proof.expected).max() < 0.005  # TensorFlow's resize rounds otherwise where it is a tie
    pixels = np.stack([decode(photo.path, 128, 128) for photo in proof.photos]) / np.float32(255)
    scores = signatures["serving_default"](image=tf.constant(pixels))["prediction"].numpy()
    assert np.abs(scores - proof.expected).max() < 1e-5


def test_a_saved_model_is_a_feature_vector_for_the_next_classifier(proof, tmp_path):
    from label_image.quiet import tensorflow

    export(Order(SAVED_MODEL, tmp_path / "saved"), proof)
    pixels = np.stack([decode(photo.path, 128, 128) for photo in proof.photos])
    loaded = tensorflow().saved_model.load(str(tmp_path / "saved"))  # what hub.load does
    assert np.abs(loaded(pixels / np.float32(255)).numpy() - proof.features).max() < 1e-5
    options = Options.of(image_dir="x", tfhub_module=str(tmp_path / "saved"), model_dir=str(tmp_path / "models"))
    again = prepare(options.network, lambda _: None)
    assert (again.height_px, again.width_px, again.width) == (128, 128, 3)
    scaled = normalise(pixels, again.mean, again.std)
    assert np.abs(LitertRunner(again.tflite).scores(scaled) - proof.features).max() < 1e-5


def test_an_onnx_file_of_others_is_refused_in_one_line(proof, tmp_path, label_image):
    made = export(Order(ONNX, tmp_path / "ours.onnx"), proof)
    assert label_image(f"--graph={made.path}", f"--image={proof.photos[0].path}").returncode == 0
    import onnx

    model = onnx.load(str(made.path))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "theirs.onnx"))
    done = label_image(f"--graph={tmp_path / 'theirs.onnx'}", f"--image={proof.photos[0].path}")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "has no metadata about its size, range and labels" in done.stderr
    (tmp_path / "broken.onnx").write_bytes(made.path.read_bytes()[:500])
    done = label_image(f"--graph={tmp_path / 'broken.onnx'}", f"--image={proof.photos[0].path}")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "the ONNX file is damaged" in done.stderr
