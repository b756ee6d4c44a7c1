"""The standard TFLite metadata: read back by slot number, by LiteRT, by label_image, and by the real MediaPipe."""

from __future__ import annotations

import zipfile

import flatbuffers.table
import numpy as np
import pytest
from flatbuffers import encode, packer
from PIL import Image

from label_image import Classifier
from label_image.find_metadata import Overrides, metadata_of
from label_image.model_metadata import Metadata
from label_image.photo_pixels import decode
from retrain.backbones.prepare import prepare
from retrain.backbones.table import DEFAULT_ARCHITECTURE
from retrain.exporters import tflite as tflite_exporter
from retrain.exporters.tflite_metadata import standard_metadata, with_labels
from retrain.options.options import Options
from retrain.types import Head
from tests.conftest import COLOURS, STAND_IN, write_photo

LABELS = ("daisy", "rose hip", "Löwenzahn")
METADATA = Metadata(
    LABELS, 224, 192, (127.0,), (128.0,), "input", "final_result", {"architecture": "efficientnet_lite0"}
)


class Table:
    """One table of a FlatBuffer, read by slot number: a reader of its own, so that writer and schema can disagree."""

    def __init__(self, data: bytes, at: int | None = None) -> None:
        self.table = flatbuffers.table.Table(data, encode.Get(packer.uoffset, data, 0) if at is None else at)

    def _at(self, slot: int) -> int:
        offset = self.table.Offset(4 + 2 * slot)
        assert offset, f"slot {slot} is empty"
        return self.table.Pos + offset

    def byte(self, slot: int) -> int:
        return self.table.Bytes[self._at(slot)]

    def text(self, slot: int) -> str:
        return self.table.String(self._at(slot)).decode()

    def child(self, slot: int) -> Table:
        return Table(self.table.Bytes, self.table.Indirect(self._at(slot)))

    def children(self, slot: int) -> list[Table]:
        offset = self.table.Offset(4 + 2 * slot)
        start, count = self.table.Vector(offset), self.table.VectorLen(offset)
        return [Table(self.table.Bytes, self.table.Indirect(start + 4 * place)) for place in range(count)]

    def floats(self, slot: int) -> list[float]:
        return self.table.GetVectorAsNumpy(
            flatbuffers.number_types.Float32Flags, self.table.Offset(4 + 2 * slot)
        ).tolist()


def test_the_flatbuffer_says_what_the_metadata_says():
    data = standard_metadata(METADATA)
    assert data[4:8] == b"M001"
    model = Table(data)
    assert (model.text(0), model.text(7)) == ("efficientnet_lite0", "1.0.0")
    (subgraph,) = model.children(3)
    (image,), (scores,) = subgraph.children(2), subgraph.children(3)
    (unit,) = image.children(4)
    assert unit.byte(0) == 1  # NormalizationOptions
    assert (unit.child(1).floats(0), unit.child(1).floats(1)) == ([127.0], [128.0])
    assert (image.child(3).byte(0), image.child(3).child(1).byte(0)) == (2, 1)  # ImageProperties, RGB
    assert (image.child(5).floats(1), image.child(5).floats(0)) == ([-127 / 128], [1.0])  # of pixels 0 and 255
    assert scores.child(3).byte(0) == 1  # FeatureProperties
    (file,) = scores.children(6)
    assert (file.text(0), file.byte(2)) == ("labels.txt", 2)  # TENSOR_AXIS_LABELS


def test_a_scaling_of_each_channel_is_kept():
    metadata = Metadata(LABELS, 224, 224, (124.0, 117.0, 104.0), (58.0, 57.0, 57.5))
    (image,) = Table(standard_metadata(metadata)).children(3)[0].children(2)
    assert image.children(4)[0].child(1).floats(0) == [124.0, 117.0, 104.0]
    assert image.child(5).floats(0) == pytest.approx([131 / 58, 138 / 57, 151 / 57.5])


def test_the_labels_ride_behind_the_model_as_a_zip(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(with_labels(b"\x1c\0\0\0TFL3, the rest of a model", METADATA))
    assert path.read_bytes().startswith(b"\x1c\0\0\0TFL3, the rest of a model")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        (entry,) = archive.infolist()
        assert (entry.filename, entry.compress_type) == ("labels.txt", zipfile.ZIP_STORED)
        assert archive.read(entry).decode() == "daisy\nrose hip\nLöwenzahn\n"


def test_equal_metadata_gives_equal_bytes_on_any_day(monkeypatch):
    first = with_labels(standard_metadata(METADATA), METADATA)
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: pytest.fail("the clock was read"))
    assert with_labels(standard_metadata(METADATA), METADATA) == first


def test_label_image_still_believes_the_metadata_inside(tflite):
    assert metadata_of(tflite, Overrides()).facts["range"] == "the metadata inside the file"
    with zipfile.ZipFile(tflite) as archive:
        assert archive.read("labels.txt").decode().split() == list(Classifier(tflite).metadata.labels)


@pytest.fixture
def mediapipe():
    return pytest.importorskip("mediapipe", reason="MediaPipe is not installed: pip install '.[test]'")


def mediapipe_scores(mediapipe, path, photos):
    """What MediaPipe's ImageClassifier says with no options but the file's name; float32 [photos, classes]."""
    tasks = mediapipe.tasks
    base = tasks.BaseOptions(model_asset_path=str(path))
    labels = metadata_of(path, Overrides()).labels
    rows = []
    with tasks.vision.ImageClassifier.create_from_options(tasks.vision.ImageClassifierOptions(base_options=base)) as it:
        for photo in photos:
            found = it.classify(mediapipe.Image.create_from_file(str(photo))).classifications[0].categories
            scores = {category.category_name: category.score for category in found}
            rows.append([scores[label] for label in labels])
    return np.array(rows, np.float32)


def squashed_photos(folder, metadata, count):
    """Photos that already have the network's size, so that the two resize nothing."""
    paths = []
    for number in range(count):
        colour = tuple(np.random.default_rng(number).integers(30, 226, 3).tolist())
        source = write_photo(folder / f"{number}.jpg", colour, number)
        paths.append(folder / f"{number}.png")
        Image.fromarray(decode(source, metadata.height_px, metadata.width_px)).save(paths[-1])
    return paths


def assert_mediapipe_agrees(mediapipe, path, folder):
    photos = squashed_photos(folder, metadata_of(path, Overrides()), 12)
    ours = np.stack([answer.scores for answer in Classifier(path).classify_all(photos)])
    theirs = mediapipe_scores(mediapipe, path, photos)
    assert np.ptp(ours, axis=0).max() > 0.05  # the photos differ, else agreement would be cheap
    # The same float32 operations on the same pixels; XNNPACK may be another version.
    np.testing.assert_allclose(theirs, ours, atol=1e-5)


def test_mediapipe_loads_it_without_flags_and_agrees(mediapipe, tflite, tmp_path):
    assert_mediapipe_agrees(mediapipe, tflite, tmp_path)


def test_mediapipe_agrees_on_the_default_backbone(mediapipe, model_dir, tmp_path):
    backbone = prepare(Options.of(image_dir="x", model_dir=str(model_dir)).network, print)
    weights = np.random.default_rng(0).normal(0, 0.1, (backbone.width, 3)).astype(np.float32)
    size = (backbone.height_px, backbone.width_px)
    metadata = Metadata(tuple(COLOURS), *size, backbone.mean, backbone.std, backbone.input_layer, "final_result")
    tflite_exporter.write(
        tmp_path / "x.tflite", Head(weights, np.zeros(3, np.float32), metadata.labels), backbone, metadata
    )
    assert backbone.name == DEFAULT_ARCHITECTURE
    assert_mediapipe_agrees(mediapipe, tmp_path / "x.tflite", tmp_path)


def test_mediapipe_refuses_a_scaling_of_each_channel(mediapipe, model_dir, tmp_path):
    """Nothing of ours has one; when MediaPipe learns it, this test says so and docs/devices.md changes."""
    backbone = prepare(Options.of(image_dir="x", architecture=STAND_IN, model_dir=str(model_dir)).network, print)
    metadata = Metadata(tuple(COLOURS), 128, 128, (124.0, 117.0, 104.0), (58.0, 57.0, 57.0), "input", "final_result")
    head = Head(np.eye(3, dtype=np.float32), np.zeros(3, np.float32), metadata.labels)
    tflite_exporter.write(tmp_path / "x.tflite", head, backbone, metadata)
    with pytest.raises(Exception, match="Per-channel image normalization"):
        mediapipe_scores(mediapipe, tmp_path / "x.tflite", [])
