"""label_image on exports of the mean-colour backbone: the right colour, the metadata's word, the user's overrides."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from label_image import Classifier, Overrides, UserError
from label_image.classifier import top_k
from label_image.errors import PhotoError, RunError
from tests.conftest import COLOURS, ROOT, write_photo


@pytest.mark.parametrize("name", ["retrained.tflite", "retrained_graph.pb", "saved_model"])
def test_every_export_names_the_colour_without_a_flag(trained, tmp_path, name):
    classifier = Classifier(trained / "tf_files" / name)
    for label, colour in COLOURS.items():
        assert classifier.classify(write_photo(tmp_path / "new.jpg", colour, 999)).top(1)[0][0] == label


def test_bytes_and_path_give_the_same_scores(tflite, tmp_path):
    photo = write_photo(tmp_path / "p.jpg", COLOURS["cyan"], 1000)
    classifier = Classifier(tflite)
    assert np.array_equal(classifier.classify(photo).scores, classifier.classify(photo.read_bytes()).scores)


def test_many_photos_come_back_in_order_with_errors_in_their_place(tflite, tmp_path):
    photos = [write_photo(tmp_path / f"{n}.jpg", list(COLOURS.values())[n % 3], n) for n in range(20)]
    photos[7].write_bytes(b"no photo")
    answers = list(Classifier(tflite).classify_all(photos))
    assert [answer.image for answer in answers] == [str(photo) for photo in photos]
    assert [n for n, answer in enumerate(answers) if answer.error] == [7]
    assert all(answer.top(1)[0][0] == list(COLOURS)[n % 3] for n, answer in enumerate(answers) if n != 7)


def test_a_folder_and_a_single_photo_give_the_same_bits(tflite, tmp_path):
    photo = write_photo(tmp_path / "p.jpg", COLOURS["yellow"], 5)
    classifier = Classifier(tflite)
    (among_many,) = classifier.classify_all([photo])
    assert np.array_equal(among_many.scores, classifier.classify(photo).scores)


def test_an_unreadable_photo_is_a_photo_error(tflite, tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"<html>404</html>")
    with pytest.raises(PhotoError, match="a web page"):
        Classifier(tflite).classify(tmp_path / "x.jpg")


def test_what_the_user_insists_on_comes_before_the_metadata(tflite):
    metadata = Classifier(tflite, Overrides(input_mean=0, input_std=1, insist=True)).metadata
    assert (metadata.mean, metadata.std) == ((0.0,), (1.0,))
    assert metadata.facts["range"].startswith("--input_mean, --input_std; else -1..1")


def test_a_mean_of_zero_and_of_127_5_are_honoured(tflite, tmp_path):
    photo = write_photo(tmp_path / "p.jpg", COLOURS["cyan"], 3)
    plain = Classifier(tflite).classify(photo).scores
    assert np.array_equal(
        plain, Classifier(tflite, Overrides(input_mean=127.5, input_std=127.5)).classify(photo).scores
    )
    insisted = Classifier(tflite, Overrides(input_mean=0.0, insist=True)).classify(photo).scores
    assert not np.array_equal(plain, insisted)


def test_labels_that_do_not_fit_are_refused_with_both_numbers(tflite, tmp_path):
    (tmp_path / "two.txt").write_text("a\nb\n")
    photo = write_photo(tmp_path / "p.jpg", COLOURS["cyan"], 3)
    with pytest.raises(RunError, match="it has 3 outputs, but there are 2 labels"):
        Classifier(tflite, Overrides(labels=str(tmp_path / "two.txt"))).classify(photo)


def test_a_wrong_layer_lists_what_there_is(trained):
    with pytest.raises(UserError, match="--input_layer=Mul is not in .* as its input; it has input"):
        Classifier(trained / "tf_files/retrained_graph.pb", Overrides(input_layer="Mul"))
    with pytest.raises(UserError, match="--output_layer=final is not in .*final_result"):
        Classifier(trained / "tf_files/retrained_graph.pb", Overrides(output_layer="final"))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.pb", b"not a graph at all", "not a TensorFlow graph"),
        ("x.pb", b"", "not a TensorFlow graph"),
        ("x.tflite", b"junk", "not a .tflite"),
        ("x.tflite", b"\x1c\0\0\0TFL3" + b"\xff" * 64, "x.tflite"),
    ],
)
def test_a_file_that_is_no_graph_is_one_line(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(RunError, match=message) as caught:
        Classifier(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_truncated_export_is_one_line(tflite, tmp_path):
    (tmp_path / "short.tflite").write_bytes(tflite.read_bytes()[: tflite.stat().st_size // 2])
    with pytest.raises(RunError):
        Classifier(tmp_path / "short.tflite")


def test_a_missing_graph_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="cannot find a trained classifier"):
        Classifier()
    with pytest.raises(UserError, match="no such file"):
        Classifier("nowhere.tflite")


def test_labelling_a_tflite_never_imports_tensorflow(tflite, tmp_path):
    photo = write_photo(tmp_path / "p.jpg", COLOURS["cyan"], 3)
    code = f"""
import sys
sys.argv = ["label_image", "--graph={tflite}", "--image={photo}"]
from label_image.cli import main
assert main(sys.argv[1:]) == 0
assert not [m for m in sys.modules if m.split(".")[0] in ("tensorflow", "keras", "tensorboard", "retrain")], "heavy"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_equal_scores_keep_label_order():
    assert top_k(np.array([0.5, 0.1, 0.5], np.float32), 5).tolist() == [0, 2, 1]
