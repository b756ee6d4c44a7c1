"""The graphs that a first run does not prove: made anew here, they are the known ones, and TensorFlow runs them rightly."""

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
from retrain.exporters import verify
from retrain.exporters.table import EXPORTERS, Order
from retrain.exporters.verified_graphs import PROVEN
from retrain.exporters.verify import Proof, export
from retrain.files.hashing import file_digest
from retrain.options.options import Options
from retrain.types import Dense, Head, Photo
from tests.conftest import COLOURS, write_photo

GRAPH = next(row for row in EXPORTERS if row.kind == "graph")


@pytest.fixture
def proof(tmp_path):
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
    return Proof(tuple(photos), features, head, backbone, metadata, softmax(head.logits(features)))


def test_the_default_networks_graph_is_the_known_one_and_needs_no_tensorflow(proof, tmp_path, monkeypatch):
    assert list(PROVEN) == [file_digest(proof.backbone.graph)]
    monkeypatch.setattr(verify, "measure", lambda *_: pytest.fail("TensorFlow ran it"))
    made = export(Order(GRAPH, tmp_path / "out.pb"), proof)
    assert made.how == "bit by bit the graph that TensorFlow ran in this program's own tests, with this head"
    assert made.largest_difference == PROVEN[file_digest(proof.backbone.graph)]


def test_tensorflow_runs_it_rightly(proof, tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "PROVEN", {})
    made = export(Order(GRAPH, tmp_path / "out.pb"), proof)
    assert made.images == len(COLOURS)
    assert made.largest_difference < 1e-4
    again = export(Order(GRAPH, tmp_path / "again.pb"), proof)
    assert "TensorFlow ran before" in again.how


def test_a_changed_bit_is_run_by_tensorflow(proof, tmp_path):
    data = bytearray(proof.backbone.graph.read_bytes())
    data[len(data) // 2] ^= 1
    proof.backbone.graph.write_bytes(bytes(data))
    assert verify._graph_proof(proof) is None


def test_a_head_with_hidden_layers_is_another_graph_that_tensorflow_runs(proof):
    known = verify._graph_proof(proof)
    assert known is not None
    hidden = (
        Dense(np.eye(proof.backbone.width, dtype=np.float32), np.zeros(proof.backbone.width, np.float32), "relu"),
    )
    other = dataclasses.replace(proof, head=dataclasses.replace(proof.head, hidden=hidden))
    assert verify._graph_proof(other) is None
