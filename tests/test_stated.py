"""The accuracy in the metadata of an export is the one that was measured with it, for each format and precision."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from label_image.classifier import Classifier
from label_image.detectors.tflite_entry import entry
from label_image.errors import RunError
from label_image.model_metadata import METADATA_KEY, Metadata, from_json
from label_image.softmax import softmax
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.prepare import prepare
from retrain.backbones.quantize import quantized
from retrain.exporters.expected import Expected
from retrain.exporters.order import Order
from retrain.exporters.stated import restate, stated
from retrain.exporters.table import EXPORT_FORMATS
from retrain.exporters.verify import export
from retrain.files.hashing import file_digest
from retrain.formats.graph_def import parse_graph
from retrain.options.options import Options
from retrain.types import Head, Photo
from tests.conftest import COLOURS, STAND_IN, write_photo

METADATA = Metadata(("ä", "b"), 8, 8, (0.0,), (1.0,), "input", "final_result", {"test_accuracy": 0.5, "tested": 2})
ROWS = {row.kind: row for row in EXPORT_FORMATS}


def told(metadata, accuracy, tested):
    return dataclasses.replace(metadata, training={**metadata.training, "test_accuracy": accuracy, "tested": tested})


def test_figures_are_replaced_in_place_and_nothing_else_changes(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"before" + stated(METADATA) + b"behind")
    size = path.stat().st_size
    restate(path, METADATA, told(METADATA, 0.123456789012345, 10_000))
    data = path.read_bytes()
    assert (data[:6], data[-6:], len(data)) == (b"before", b"behind", size)
    assert b'"test_accuracy": 0.123456789012345, "tested": 10000' in data
    with pytest.raises(RunError, match="cannot write the accuracy into .*x: its metadata is not as it was written"):
        restate(path, METADATA, METADATA)


def test_figures_without_room_are_refused_and_the_file_is_unchanged(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(stated(METADATA))
    with pytest.raises(RunError, match="cannot write the accuracy"):
        restate(path, METADATA, dataclasses.replace(METADATA, input_layer="x" * 100))
    assert path.read_bytes() == stated(METADATA)


@pytest.fixture
def expected(tmp_path, model_dir):
    """Twelve photos of three colours, a head that tells them apart, and features that belong to other photos."""
    backbone = prepare(
        Options.of(image_dir="x", architecture=STAND_IN, model_dir=str(model_dir)).network, lambda _: None
    )
    photos = []
    for label, colour in COLOURS.items():
        paths = [write_photo(tmp_path / label / f"{number}.jpg", colour, number) for number in range(4)]
        photos += [Photo(str(path), label, file_digest(path)) for path in paths]
    colours = np.array(list(COLOURS.values()), np.float32) / 127.5
    head = Head(40 * (colours - colours.mean()).T, -40 * colours.mean(axis=1), tuple(COLOURS))
    features = np.repeat(colours, 4, axis=0)
    labels = head.logits(features).argmax(axis=1).tolist()
    assert labels == [0] * 4 + [1] * 4 + [2] * 4
    size = (backbone.height_px, backbone.width_px)
    metadata = Metadata(tuple(COLOURS), *size, backbone.mean, backbone.std, "input", "final_result", {"tested": 99})
    return Expected(tuple(photos), features, head, backbone, metadata, softmax(head.logits(features)), 100.0)


@pytest.mark.parametrize("precision", ["float16", "dynamic"])
@pytest.mark.parametrize("kind", ["tflite", "device_folder"])
def test_what_was_measured_is_in_the_file_where_it_is_not_what_was_expected(
    kind, precision, expected, model_dir, tmp_path, monkeypatch
):
    """The features are swapped, so the head is wrong on all of them while the exported file is right on all photos."""
    monkeypatch.setattr("retrain.exporters.device_folder._run_selftest", lambda _: None)
    options = Options.of(image_dir="x", architecture=STAND_IN, model_dir=str(model_dir))
    folder = ModelFolder.of(options.network, lambda _: None)
    backbone = quantized(expected.backbone, precision, (), folder, lambda _: None)
    expected = dataclasses.replace(expected, features=np.roll(expected.features, 4, axis=0), backbone=backbone)
    made = export(Order(ROWS[kind], tmp_path / "made", precision), expected)
    assert (made.accuracy, made.images) == (1.0, 12)
    file = tmp_path / "made" / "model.tflite" if kind == "device_folder" else tmp_path / "made"
    metadata = Classifier(file).metadata
    assert (metadata.training["test_accuracy"], metadata.training["tested"]) == (1.0, 12)
    if kind == "device_folder":
        assert "right on 100.0% of 12 test photos" in (tmp_path / "made/README.txt").read_text()


def test_a_run_without_a_test_says_no_accuracy(expected, tmp_path):
    expected = dataclasses.replace(expected, metadata=dataclasses.replace(expected.metadata, training={"tested": 0}))
    export(Order(ROWS["tflite"], tmp_path / "x.tflite"), expected)
    assert Classifier(tmp_path / "x.tflite").metadata.training == {"tested": 0}


def test_each_export_of_a_run_states_the_accuracy_in_its_row(trained):
    (record,) = (trained / "tf_files/runs").glob("*/run.json")
    record = json.loads(record.read_text())
    made = {one["kind"]: one for one in record["exports"]}
    graph = parse_graph((trained / made["graph"]["path"]).read_bytes(), "x")
    (constant,) = (node for node in graph.node if node.name == METADATA_KEY)
    texts = {
        "tflite": entry(trained / made["tflite"]["path"], METADATA_KEY),
        "saved_model": (trained / made["saved_model"]["path"] / f"assets.extra/{METADATA_KEY}.json").read_bytes(),
        "graph": constant.attr["value"].tensor.string_val[0],
    }
    for kind, text in texts.items():
        training = from_json(text, kind).training
        assert training["test_accuracy"] == (made[kind]["accuracy"] or record["accuracy"])
        assert training["tested"] == record["tested"]
