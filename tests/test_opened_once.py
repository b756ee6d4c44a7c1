"""A path is opened once: one Classifier is one network with its own labels, whatever is put in its place meanwhile."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from label_image import Classifier
from label_image.errors import RunError, UserError
from label_image.explainer import Explainer
from label_image.find_metadata import Overrides, metadata_of, open_model
from label_image.model_file import settled, stamp
from label_image.model_metadata import METADATA_KEY, Metadata, to_json
from retrain.formats.tflite_model import TfliteModel
from tests.colour_graphs import NAMES, SIDE
from tests.conftest import COLOURS, write_photo
from tests.test_detectors_tflite import colour_tflite

READINGS = int(os.environ.get("READINGS", "150"))  # benchmarks/torture does 1,000


def ours(path: Path, name: str) -> Path:
    """A `.tflite` with our metadata, whose labels begin with `name`; B's network has the classes the other way round."""
    colour_tflite(path)
    (path.parent / "labels.txt").unlink()
    model = TfliteModel(path)
    labels = tuple(f"{name} {label}" for label in NAMES)
    if name == "B":
        scores = model.tensor("turned", [1, 3])
        axis = model.tensor("axis", [1], np.array([1], np.int32))
        model.operator("REVERSE_V2", [int(model.graph.outputs[0]), axis], scores)
        model.outputs([scores])
        labels = labels[::-1]
    metadata = Metadata(labels, SIDE, SIDE, (127.5,), (127.5,), "input", "")
    model.metadata(METADATA_KEY, to_json(metadata).encode())
    path.write_bytes(model.to_bytes())
    return path


@pytest.fixture
def two(tmp_path):
    """Two trainings, the place of one classifier, and a cyan photo."""
    a, b = ours(tmp_path / "A.tflite", "A"), ours(tmp_path / "B.tflite", "B")
    place = tmp_path / "g.tflite"
    shutil.copy(a, place)
    return a, b, place, write_photo(tmp_path / "p.jpg", COLOURS["cyan"], 3, (SIDE, SIDE))


def put(model: Path, place: Path) -> None:
    """Replaces a classifier at once, as `python -m retrain` does."""
    shutil.copy(model, place.with_suffix(".new"))
    place.with_suffix(".new").replace(place)


def test_a_classifier_stays_what_it_was_when_its_file_is_replaced(two):
    _, b, place, photo = two
    classifier = Classifier(place, threads=3)
    first = classifier.classify(photo).top(3)
    assert first[0][0] == "A cyan"
    put(b, place)
    assert classifier.classify(photo).top(3) == first
    assert [answer.top(3) for answer in classifier.classify_all([photo] * 6)] == [first] * 6
    assert Classifier(place).classify(photo).top(1)[0][0] == "B cyan"
    place.unlink()
    assert classifier.classify(photo).top(3) == first


def test_a_file_that_is_written_over_in_place_changes_nothing_either(two):
    _, b, place, photo = two
    classifier = Classifier(place, threads=2)
    first = classifier.classify(photo).top(3)
    place.write_bytes(b.read_bytes()[:100])
    assert [answer.top(3) for answer in classifier.classify_all([photo] * 4)] == [first] * 4


def test_every_answer_is_wholly_of_one_training_while_they_are_exchanged(two):
    a, b, place, photo = two
    wanted = {tuple(Classifier(model).classify(photo).top(3)) for model in (a, b)}
    assert {answer[0][0] for answer in wanted} == {"A cyan", "B cyan"}
    over = threading.Event()

    def exchange() -> None:
        while not over.is_set():
            for model in (b, a):
                put(model, place)
                time.sleep(0.001)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        seen = set()
        for _ in range(READINGS):
            classifier = Classifier(place, threads=2)
            answers = {tuple(classifier.classify(photo).top(3))}
            answers |= {tuple(answer.top(3)) for answer in classifier.classify_all([photo, photo])}
            assert len(answers) == 1
            seen |= answers
    finally:
        over.set()
        thread.join()
    assert seen == wanted


def test_the_heat_map_is_of_the_network_that_answers(tflite, tmp_path):
    place = tmp_path / "g.tflite"
    shutil.copy(tflite, place)
    photo = write_photo(tmp_path / "p.jpg", COLOURS["cyan"], 3)
    classifier = Classifier(place)
    prediction = classifier.classify(photo)
    place.write_bytes(b"gone")
    label = prediction.top(1)[0][0]
    assert Explainer(classifier).evidence(photo, prediction, label).shape


@pytest.mark.parametrize("name", ["retrained_graph.pb", "saved_model"])
def test_graphs_stay_what_they_were_too(trained, tmp_path, name):
    source, place = trained / "tf_files" / name, tmp_path / name
    (shutil.copytree if source.is_dir() else shutil.copy)(source, place)
    photo = write_photo(tmp_path / "p.jpg", COLOURS["cyan"], 3)
    classifier = Classifier(place, threads=2)
    first = classifier.classify(photo).top(3)
    shutil.rmtree(place) if place.is_dir() else place.write_bytes(b"gone")
    assert [answer.top(3) for answer in classifier.classify_all([photo] * 3)] == [first] * 3
    if name != "saved_model":
        label = first[0][0]
        assert Explainer(classifier).evidence(photo, classifier.classify(photo), label).shape


def test_labels_beside_a_file_that_change_while_it_is_read_are_read_again(tmp_path):
    path = colour_tflite(tmp_path / "m.tflite")
    names = iter(["x\ny\nz\n", None])
    seen = []

    def work() -> bool:
        seen.append(metadata_of(open_model(path), Overrides()).labels)
        if later := next(names, None):
            (tmp_path / "labels.txt").write_text(later)
        return False

    settled(path, work)
    assert seen == [NAMES, ("x", "y", "z")]


def test_what_goes_on_changing_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("label_image.model_file._TRIES", 3)
    path = colour_tflite(tmp_path / "m.tflite")

    def work() -> bool:
        path.write_bytes(path.read_bytes() + b" ")
        return False

    with pytest.raises(RunError, match="it keeps changing; try again"):
        settled(path, work)


def test_an_error_of_a_file_that_stays_is_told_at_once(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        Classifier(tmp_path / "none.tflite")


def test_a_stamp_tells_a_file_of_the_same_size_and_time(tmp_path):
    path = colour_tflite(tmp_path / "m.tflite")
    before, times = stamp(path), path.stat()
    put(path, path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert stamp(path) != before
