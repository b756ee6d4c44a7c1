"""What is typed of a classifier is held against what it says of itself: what fits passes, what contradicts is one line."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest

from label_image import Classifier, Overrides, UserError
from label_image.cli import main
from label_image.describe import one_line
from label_image.detectors import checksum, standard_metadata
from label_image.errors import RunError
from label_image.find_metadata import metadata_of
from label_image.model_metadata import METADATA_KEY, to_json
from retrain.formats.tflite_model import TfliteModel
from tests.conftest import COLOURS, SHARED, write_photo
from tests.test_detectors_tflite import colour_tflite, make_metadata

EXPORTS = ["retrained.tflite", "retrained_graph.pb", "saved_model"]
OWN = tuple(COLOURS)


@pytest.fixture
def photo(tmp_path):
    return write_photo(tmp_path / "photo.jpg", COLOURS["cyan"], 9)


@pytest.fixture
def with_metadata(tmp_path):
    """Somebody else's `.tflite` that says its range and labels in the standard way."""
    (tmp_path / "model").mkdir()
    path = colour_tflite(tmp_path / "model/m.tflite")
    model = TfliteModel(path)
    model.metadata(standard_metadata.NAME, make_metadata([127.5], [127.5], "names.txt"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("names.txt", "Cyan\nMagenta\nYellow\n")
    path.write_bytes(model.to_bytes() + packed.getvalue())
    return path


def refused(path, **typed):
    with pytest.raises(UserError) as caught:
        metadata_of(path, Overrides(**typed))
    assert caught.value.exit_status == 2
    assert "\n" not in str(caught.value)
    assert "--insist" in str(caught.value)
    return str(caught.value)


def labels(folder, *names, name="typed.txt"):
    (folder / name).write_text("".join(f"{each}\n" for each in names), "utf-8")
    return str(folder / name)


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize(
    ("typed", "both"),
    [
        ({"input_height": 299}, ("--input_height=299", "128")),
        ({"input_width": 224}, ("--input_width=224", "128")),
        ({"input_mean": 0, "input_std": 1}, ("--input_mean=0 --input_std=1", "contradict the model's own")),
        ({"input_std": 255.0, "input_mean": 100.0}, ("--input_mean=100", "contradict the model's own")),
        (
            {"input_mean": (123.7, 116.3, 103.5), "input_std": 58.0},
            ("--input_mean=123.7,116.3,103.5", "the model's own"),
        ),
        ({"input_layer": "Mul"}, ("--input_layer=Mul", "it has")),
        ({"output_layer": "softmax"}, ("--output_layer=softmax", "it has")),
        ({"input_order": "bgr"}, ("--input_order=bgr", "rgb")),
        ({"input_order": "grey"}, ("--input_order=grey", "rgb")),
    ],
)
def test_what_contradicts_an_export_of_ours_is_refused_with_both_values(trained, name, typed, both):
    path = trained / "tf_files" / name
    said = refused(path, **typed)
    own = metadata_of(path, Overrides())
    assert both[0] in said
    assert both[1] in said
    assert ("-1..1" in said or "0..1" in said) or "mean" not in said
    assert str(own.height_px) in said or "height" not in said
    insisted = metadata_of(path, Overrides(**typed, insist=True))
    assert insisted != own
    assert "--insist: " in one_line(insisted)


# What the codelab and its relatives typed, for the graph each had made: 128 and 128 for what was trained with 127.5.
CODELAB = [
    {},
    {"input_height": 128, "input_width": 128, "input_layer": "input", "output_layer": "final_result"},
    {"input_mean": 128.0, "input_std": 128.0},
    {"input_mean": 127.5, "input_std": 127.5},
    {"input_mean": (127.5, 127.5, 127.5), "input_std": (127.5,)},
    {"input_mean": 128.0},
    {"input_layer": "input:0", "output_layer": "final_result:0"},
    {"input_layer": "import/input", "output_layer": "import/final_result"},
    {"input_order": "rgb"},
]


@pytest.mark.parametrize("name", EXPORTS[:2])
@pytest.mark.parametrize("typed", CODELAB)
def test_the_codelabs_lines_work_and_give_the_same_numbers(trained, name, typed):
    path = trained / "tf_files" / name
    typed = {"labels": str(trained / "tf_files/retrained_labels.txt"), **typed}
    own, found = metadata_of(path, Overrides()), metadata_of(path, Overrides(**typed))
    assert (found.mean, found.std, found.labels, found.input_layer) == (own.mean, own.std, own.labels, own.input_layer)
    assert one_line(found) == ""


def test_a_saved_model_takes_pixels_of_0_to_1_as_the_hub_tutorial_typed(trained):
    path = trained / "tf_files/saved_model"
    typed = Overrides(input_mean=0, input_std=255, input_layer="serving_default_image:0", output_layer="prediction")
    assert metadata_of(path, typed).std == (255.0,)
    refused(path, input_mean=127.5, input_std=127.5)
    refused(path, input_layer="input")


def test_a_tensor_may_be_named_as_the_file_itself_has_it(tflite, tmp_path):
    model = TfliteModel(colour_tflite(tmp_path / "m.tflite", name="serving_default_images:0"))
    model.metadata(METADATA_KEY, to_json(metadata_of(tflite, Overrides())).encode())
    path = tmp_path / "converted.tflite"
    path.write_bytes(model.to_bytes())
    for name in ("serving_default_images:0", "serving_default_images", "input"):
        assert metadata_of(path, Overrides(input_layer=name)).input_layer == "input"
    refused(path, input_layer="images")


@pytest.mark.parametrize(
    "words",
    [
        ["--image=photo.jpg"],
        ["--describe={graph}"],
        ["--benchmark", "--image=photo.jpg"],
        ["--explain=maps", "--image=photo.jpg"],
        ["--sort_into=sorted", "--image=photo.jpg", "--format=jsonl"],
    ],
)
def test_every_way_of_asking_refuses_with_status_2_and_one_line(trained, tmp_path, photo, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    graph = trained / "tf_files/retrained.tflite"
    words = [f"--graph={graph}", *(word.format(graph=graph) for word in words)]
    assert main([*words, "--input_size=299"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "--input_height=299 contradicts the model's own 128 (its metadata)" in said.err
    assert not (tmp_path / "maps").exists()
    assert not (tmp_path / "sorted").exists()
    if "--benchmark" not in words:  # it takes seconds
        assert main([*words, "--input_size=128.0"]) == 0
        assert capsys.readouterr().out


def test_input_size_is_both_sides_and_agrees_with_them(trained, tmp_path, photo, capsys):
    graph = f"--graph={trained / 'tf_files/retrained.tflite'}"
    assert main([graph, "--input_size=128", "--input_height=128", str(photo)]) == 0
    assert main([graph, "--input_size=128", "--input_width=96", str(photo)]) == 2
    assert "--input_size=128 and --input_width=96 contradict each other" in capsys.readouterr().err


def test_a_size_that_the_network_cannot_take_is_one_line_of_our_own_also_where_one_insists(trained, photo, capsys):
    assert main([f"--graph={trained / 'tf_files/retrained.tflite'}", str(photo), "--input_size=64", "--insist"]) == 1
    said = capsys.readouterr().err
    assert " its input size is " in said
    assert "x 3, but the image has 64 x 64 x 3; leave out --input_height" in said
    assert "Tensor" not in said


def test_a_deviation_of_nought_and_an_unknown_order_are_one_line(with_metadata, capsys):
    for std in (0, (1.0, 0.0, 1.0)):
        with pytest.raises(UserError, match="would divide by 0"):
            metadata_of(with_metadata, Overrides(input_std=std, insist=True))
    assert main([f"--graph={with_metadata}", "x.jpg", "--input_order=xyz"]) == 2
    assert "is not one of rgb, bgr, grey" in capsys.readouterr().err


def test_who_insists_is_told_what_he_overruled(trained, photo, capsys):
    graph = f"--graph={trained / 'tf_files/retrained.tflite'}"
    assert main([graph, str(photo), "--input_mean=0", "--input_std=1", "--insist"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("label_image: --insist: --input_mean=0 --input_std=1 contradict the model's own")
    assert said.count("\n") == 1


# --- other people's files


@pytest.mark.parametrize(
    ("typed", "both"),
    [
        ({"input_height": 99}, "--input_height=99 contradicts the model's own"),
        ({"input_mean": 0.0, "input_std": 255.0}, "contradict the model's own 127.5 and 127.5"),
        ({"input_order": "grey"}, "--input_order=grey contradicts the model's own rgb"),
    ],
)
def test_standard_metadata_and_a_fixed_shape_are_the_files_own_word(with_metadata, typed, both):
    assert both in refused(with_metadata, **typed)
    assert metadata_of(with_metadata, Overrides(**typed, insist=True))
    assert metadata_of(with_metadata, Overrides(input_mean=128.0, input_std=128.0)).mean == (127.5,)


def test_labels_inside_somebody_elses_file_are_its_own_word(with_metadata, tmp_path):
    assert (
        metadata_of(with_metadata, Overrides(labels=labels(tmp_path, "Cyan", "Magenta", "Yellow"))).labels[0] == "Cyan"
    )
    backwards = labels(tmp_path, "Yellow", "Magenta", "Cyan")
    assert "the same names in another order" in refused(with_metadata, labels=backwards)
    assert metadata_of(with_metadata, Overrides(labels=backwards, insist=True)).labels[0] == "Yellow"


def test_what_was_only_guessed_gives_way_and_both_are_said(tmp_path):
    path = colour_tflite(tmp_path / "m.tflite")
    metadata = metadata_of(path, Overrides(input_mean=127.5, input_std=127.5))
    assert (metadata.mean, metadata.std) == ((127.5,), (127.5,))
    assert metadata.facts["range"].startswith("--input_mean, --input_std; else 0..1: ")
    assert metadata.facts["range"] in one_line(metadata)
    typed = labels(tmp_path, "a", "b", "c")  # the labels beside it are no word of its own
    assert metadata_of(path, Overrides(labels=typed)).labels == ("a", "b", "c")


def test_an_open_size_is_for_the_user_to_say(tmp_path):
    path = colour_tflite(tmp_path / "m.tflite", shape=(1, 1, 1, 3))
    assert metadata_of(path, Overrides(input_height=40, input_width=50)).width_px == 50


def test_integers_take_pixels_and_the_flags_that_do_not_apply_are_said(tmp_path):
    path = colour_tflite(tmp_path / "m.tflite", dtype="uint8", scale=1.0)
    metadata = metadata_of(path, Overrides(input_mean=127.5, input_std=127.5))
    assert metadata.mean == (0.0,)
    assert "--input_mean and --input_std do not apply" in one_line(metadata)


def test_as_many_numbers_as_channels(tmp_path):
    path = colour_tflite(tmp_path / "m.tflite")
    assert metadata_of(path, Overrides(input_mean=(1, 2, 3), input_std=2)).mean == (1, 2, 3)
    with pytest.raises(UserError, match="--input_mean=1,2 has 2 numbers, but the input of .* has 3 channels"):
        metadata_of(path, Overrides(input_mean=(1, 2)))


@pytest.mark.shared
def test_real_files_with_metadata_refuse_and_those_without_give_way():
    models = SHARED / "data/retrained"
    stated = models / "imagenet_mnv1_025_224_metadata_tflite/mobilenet_v1_0.25_224_1_metadata_1.tflite"
    assert "-1..1" in refused(stated, input_mean=0.0, input_std=255.0)
    assert metadata_of(stated, Overrides(input_mean=128.0, input_std=128.0, input_height=224)).mean == (127.5,)
    assert "contradicts the model's own 224" in refused(stated, input_width=299)
    guessed = models / "mnist_gray_tflite"
    (path,) = guessed.glob("*.tflite")
    assert metadata_of(path, Overrides(input_mean=0, input_std=1)).std == (1.0,)
    assert "grey" in refused(path, input_order="rgb")


# --- labels


@pytest.mark.parametrize("name", EXPORTS)
def test_other_names_than_the_models_own_are_refused(trained, tmp_path, name):
    path = trained / "tf_files" / name
    own = metadata_of(path, Overrides()).labels
    said = refused(path, labels=labels(tmp_path, *reversed(own)))
    assert "another order" in said
    assert repr(own[0]) in said
    assert repr(own[-1]) in said
    assert "output 1" in refused(path, labels=labels(tmp_path, own[0], "tulips", own[2]))
    assert metadata_of(path, Overrides(labels=labels(tmp_path, "a", "b", "c"), insist=True)).labels == ("a", "b", "c")
    for insist in (False, True):
        with pytest.raises(RunError, match="it has 3 outputs, but there are 2 labels"):
            metadata_of(path, Overrides(labels=labels(tmp_path, "a", "b"), insist=insist))


def test_the_models_own_names_pass_in_every_form(tflite, tmp_path):
    own = metadata_of(tflite, Overrides()).labels
    forms = {
        "a.txt": "\r\n".join(own), "b.json": json.dumps({name: at for at, name in enumerate(own)}),
        "c.csv": "id,name\n" + "\n".join(f"{at},{name}" for at, name in enumerate(own)),
        "d.txt": "background\n" + "\n".join(own), "e.txt": "\n".join(f"{at} {name}" for at, name in enumerate(own)),
    }  # fmt: skip
    for name, text in forms.items():
        (tmp_path / name).write_text(text)
        assert metadata_of(tflite, Overrides(labels=str(tmp_path / name))).labels == own


def named(tflite, folder, *names):
    """A classifier with our metadata in it, and these class names."""
    (folder / "numbered").mkdir()
    model = TfliteModel(colour_tflite(folder / "numbered/m.tflite"))
    metadata = metadata_of(tflite, Overrides())
    model.metadata(METADATA_KEY, to_json(dataclasses.replace(metadata, labels=names)).encode())
    model.metadata(checksum.KEY, checksum.EMPTY)
    (folder / "numbered/m.tflite").write_bytes(checksum.sealed(model.to_bytes()))
    return folder / "numbered/m.tflite"


def test_classes_of_ours_that_begin_with_numbers_are_not_renamed(tflite, tmp_path):
    own = ("0 cat", "1 dog", "2 #fox")
    path = named(tflite, tmp_path, *own)
    assert metadata_of(path, Overrides(labels=labels(tmp_path, *own))).labels == own
    assert "'0 cat' in the model and '0 Katze' in this file" in refused(
        path, labels=labels(tmp_path, "0 Katze", "1 Hund", "2 Fuchs")
    )
    insisted = Overrides(labels=labels(tmp_path, "0 Katze", "1 Hund", "2 Fuchs"), insist=True)
    assert metadata_of(path, insisted).labels == ("0 Katze", "1 Hund", "2 Fuchs")


def test_an_accent_put_together_otherwise_is_the_same_name(tflite, tmp_path):
    path = named(tflite, tmp_path, "rose\u0301", "#1", "  x")
    assert metadata_of(path, Overrides(labels=labels(tmp_path, "ros\u00e9", "#1", "x"))).labels == (
        "rose\u0301",
        "#1",
        "  x",
    )


def test_teachable_machines_numbers_are_taken_off_for_others(tmp_path):
    path = colour_tflite(tmp_path / "m.tflite")
    assert metadata_of(path, Overrides(labels=labels(tmp_path, "0 cat", "1 dog", "2 fox"))).labels == (
        "cat",
        "dog",
        "fox",
    )


def test_what_was_decided_of_a_labels_file_is_said(tmp_path, tflite):
    path = colour_tflite(tmp_path / "m.tflite")
    (tmp_path / "l.txt").write_bytes("# mine\nrosé\nb\nc\n".encode("latin-1"))
    said = one_line(metadata_of(path, Overrides(labels=str(tmp_path / "l.txt"))))
    assert "is read as Latin-1" in said
    assert "1 line beginning with # skipped" in said


def test_a_classifier_of_python_is_asked_the_same(tflite, photo):
    with pytest.raises(UserError, match="--input_mean=0 --input_std=1 contradict"):
        Classifier(tflite, Overrides(input_mean=0, input_std=1))
    plain = Classifier(tflite).classify(photo).scores
    assert np.array_equal(Classifier(tflite, Overrides(input_mean=128, input_std=128)).classify(photo).scores, plain)


def test_the_page_refuses_the_labels_of_another(tflite, tmp_path):
    from label_image.demo.choices import ClassifierCache

    typed = labels(tmp_path, "a", "b", "c")
    with pytest.raises(UserError, match="contradicts the model's own labels"):
        ClassifierCache(str(tflite), typed).load(str(tflite))
    assert ClassifierCache(str(tflite), typed, insist=True).load(str(tflite)).note.startswith("--insist: --labels")
