"""The graphs that a first run does not run: made anew here, they are the known ones, and TensorFlow runs them rightly."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from label_image.model_metadata import Metadata
from label_image.photo_pixels import decode, normalise
from label_image.runners.litert import LitertRunner
from label_image.softmax import softmax
from retrain.backbones.prepare import prepare
from retrain.backbones.table import DEFAULT_ARCHITECTURE
from retrain.exporters import graph, verify
from retrain.exporters.expected import Expected
from retrain.exporters.order import Order
from retrain.exporters.table import EXPORT_FORMATS
from retrain.exporters.verified_graphs import VERIFIED
from retrain.exporters.verify import export
from retrain.files.hashing import file_digest
from retrain.options.options import Options
from retrain.types import Dense, Head, Photo
from tests.conftest import COLOURS, write_photo

GRAPH = next(row for row in EXPORT_FORMATS if row.kind == "graph")


@pytest.fixture
def expected(tmp_path):
    """A head of random weights on the default network, its photos and their features."""
    options = Options.of(image_dir="x", architecture=DEFAULT_ARCHITECTURE, model_dir=str(tmp_path / "models"))
    backbone = prepare(options.network, lambda _: None)
    photos = []
    for number, (label, colour) in enumerate(COLOURS.items()):
        path = write_photo(tmp_path / f"{label}.jpg", colour, number)
        photos.append(Photo(str(path), label, file_digest(path)))
    pixels = [normalise(decode(photo.path, 224, 224), backbone.mean, backbone.std) for photo in photos]
    features = LitertRunner(backbone.tflite).scores(np.stack(pixels))
    weights = np.random.default_rng(0).normal(size=(backbone.width, len(COLOURS))).astype(np.float32)
    head = Head(weights, np.zeros(len(COLOURS), np.float32), tuple(COLOURS))
    metadata = Metadata(tuple(COLOURS), 224, 224, backbone.mean, backbone.std, backbone.input_layer, "final_result")
    return Expected(tuple(photos), features, head, backbone, metadata, softmax(head.logits(features)))


def test_the_default_networks_graph_is_the_known_one_and_needs_no_tensorflow(expected, tmp_path, monkeypatch):
    assert list(VERIFIED) == [file_digest(expected.backbone.graph)]
    monkeypatch.setattr(verify, "measure", lambda *_: pytest.fail("TensorFlow ran it"))
    made = export(Order(GRAPH, tmp_path / "out.pb"), expected)
    assert made.how == "identical to a graph that TensorFlow verified in this program's own tests, plus this head"
    assert made.largest_difference == VERIFIED[file_digest(expected.backbone.graph)]


def test_tensorflow_runs_it_rightly(expected, tmp_path, monkeypatch):
    monkeypatch.setattr(graph, "VERIFIED", {})
    made = export(Order(GRAPH, tmp_path / "out.pb"), expected)
    assert made.images == len(COLOURS)
    assert made.largest_difference < 1e-4
    again = export(Order(GRAPH, tmp_path / "again.pb"), expected)
    assert "TensorFlow verified before" in again.how


def test_a_changed_bit_is_run_by_tensorflow(expected, tmp_path):
    data = bytearray(expected.backbone.graph.read_bytes())
    data[len(data) // 2] ^= 1
    expected.backbone.graph.write_bytes(bytes(data))
    assert graph.verified_before(expected) is None


def test_a_head_with_hidden_layers_is_another_graph_that_tensorflow_runs(expected):
    known = graph.verified_before(expected)
    assert known is not None
    hidden = (
        Dense(np.eye(expected.backbone.width, dtype=np.float32), np.zeros(expected.backbone.width, np.float32), "relu"),
    )
    other = dataclasses.replace(expected, head=dataclasses.replace(expected.head, hidden=hidden))
    assert graph.verified_before(other) is None
