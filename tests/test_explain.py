"""`--explain`: beside each answer the photo with what spoke for it, upright and whole, and nothing is written over."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from label_image import Classifier
from label_image.detectors.pooled import NoExactMap
from label_image.explainer import Explainer, seen_part, write_picture
from label_image.find_metadata import Overrides
from label_image.heatmap import class_activation_map, feature_maps, head_of
from label_image.model_metadata import Metadata
from tests.conftest import COLOURS, write_photo

EXPORTS = ("retrained.tflite", "retrained_graph.pb", "saved_model")
ORIENTATION = 0x0112


def pixels_of(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def coloured(pixels):
    """Which pixels the map has coloured: [height, width] of bools. JPEG's rounding is no colour."""
    return np.ptp(pixels, axis=-1) > 40


@pytest.fixture
def half_cyan(tmp_path):
    """Magenta above, a third of cyan below, 300 x 100."""
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:], pixels[60:] = COLOURS["magenta"], COLOURS["cyan"]
    path = tmp_path / "half.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("export", EXPORTS)
def test_every_export_is_explained(export, trained, half_cyan, label_image, tmp_path):
    done = label_image(f"--graph={trained / 'tf_files' / export}", half_cyan, "--explain=maps")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("heat map: maps/half_heat.jpg\n")
    best = done.stdout.split("\n\n")[-1].split()[0]
    assert best == "magenta"
    drawn = pixels_of(tmp_path / "maps/half_heat.jpg")
    assert drawn.shape == (100, 300, 3)
    assert coloured(drawn)[:50].mean() > 0.95
    assert coloured(drawn)[70:].mean() < 0.05


def test_a_photo_on_its_side_is_explained_upright(tflite, half_cyan, tmp_path):
    image = Image.open(half_cyan).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # turn it by 90 degrees clockwise to see it upright
    image.save(tmp_path / "side.jpg", exif=exif, quality=95)
    classifier = Classifier(tflite)
    explainer = Explainer(classifier)
    upright = explainer.picture(half_cyan, classifier.classify(half_cyan), "magenta")
    turned = explainer.picture(tmp_path / "side.jpg", classifier.classify(tmp_path / "side.jpg"), "magenta")
    assert turned.shape == upright.shape == (100, 300, 3)
    assert np.abs(turned.astype(int) - upright).mean() < 4  # JPEG's rounding


def test_any_label_can_be_explained(tflite, half_cyan):
    classifier = Classifier(tflite)
    drawn = Explainer(classifier).picture(half_cyan, classifier.classify(half_cyan), "cyan").astype(int)
    assert coloured(drawn)[70:].mean() > 0.95
    assert coloured(drawn)[:50].mean() < 0.05


def test_a_large_photo_is_made_smaller_in_its_own_proportions(tflite, tmp_path):
    path = write_photo(tmp_path / "large.jpg", COLOURS["cyan"], 1, (2400, 1800))
    classifier = Classifier(tflite)
    assert Explainer(classifier).picture(path, classifier.classify(path), "cyan").shape == (900, 1200, 3)


def test_only_the_middle_that_is_cropped_is_coloured():
    metadata = Metadata((), 200, 200, (0,), (1,), crop_px=250)
    assert seen_part(100, 300, metadata) == (110, 10, 190, 90)
    assert seen_part(300, 100, metadata) == (10, 110, 90, 190)
    assert seen_part(300, 100, Metadata((), 200, 200, (0,), (1,), crop_px=200)) == (0, 100, 100, 200)


def test_csv_and_json_name_the_picture(label_image, tflite, colour_photos, tmp_path):
    words = (f"--graph={tflite}", colour_photos / "cyan/cyan_000.jpg", colour_photos / "cyan/cyan_001.jpg")
    (tmp_path / "no.jpg").write_text("not a picture")
    done = label_image(*words, "no.jpg", "--explain=maps", "--format=csv")
    assert done.returncode == 1
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["heat_map"] for row in rows] == ["maps/cyan_000_heat.jpg", "maps/cyan_001_heat.jpg", ""]
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["cyan_000_heat.jpg", "cyan_001_heat.jpg"]
    found = json.loads(label_image(*words, "no.jpg", "--explain=maps", "--format=json").stdout)
    assert [row["heat_map"] for row in found] == ["maps/cyan_000_heat.jpg", "maps/cyan_001_heat.jpg", None]


def test_nothing_is_written_over_and_the_same_picture_not_twice(tmp_path):
    light, dark = (np.full((8, 8, 3), value, np.uint8) for value in (200, 20))
    assert write_picture(light, tmp_path, "a/daisy.jpg") == str(tmp_path / "daisy_heat.jpg")
    assert write_picture(dark, tmp_path, "b/daisy.png") == str(tmp_path / "daisy_heat_2.jpg")
    assert write_picture(light, tmp_path, "c/daisy.jpg") == str(tmp_path / "daisy_heat.jpg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["daisy_heat.jpg", "daisy_heat_2.jpg"]
    assert pixels_of(tmp_path / "daisy_heat.jpg").mean() > 190


def test_photos_that_are_moved_are_explained_first(label_image, tflite, tmp_path):
    write_photo(tmp_path / "new/one.jpg", COLOURS["cyan"], 3)
    words = (f"--graph={tflite}", "new", "--format=jsonl")
    done = label_image(*words, "--sort_into=new/sorted", "--move", "--explain=new/maps")
    row = json.loads(done.stdout)
    assert (row["sorted_to"], row["heat_map"]) == ("new/sorted/cyan/one.jpg", "new/maps/one_heat.jpg")
    assert label_image(*words, "--sort_into=new/sorted", "--explain=new/maps").stdout == ""  # what it wrote is not read


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["new", "--explain=./new"],
            "--explain=./new is the folder that is read; give another folder, or one inside it",
        ),
        (
            ["new", "--explain=maps", "--benchmark"],
            "--benchmark only measures and writes no files: leave out --explain",
        ),
    ],
)
def test_what_can_not_be_meant_is_one_line(words, said, label_image, tmp_path):
    write_photo(tmp_path / "new/one.jpg", COLOURS["cyan"], 3)
    done = label_image(*words)
    assert (done.returncode, done.stderr) == (2, f"label_image: {said}\n")


def test_a_folder_that_can_not_be_made_is_one_line(label_image, tflite, tmp_path):
    (tmp_path / "file").write_text("")
    done = label_image(f"--graph={tflite}", write_photo(tmp_path / "a.jpg", COLOURS["cyan"], 1), "--explain=file")
    assert done.returncode == 1
    assert done.stderr == "label_image: cannot write heat maps into file: File exists; name another folder\n"


def test_a_map_that_does_not_give_the_scores_is_not_shown(tflite, half_cyan):
    classifier = Classifier(tflite)
    explainer = Explainer(classifier)
    answer = classifier.classify(half_cyan)
    answer.scores[:] = answer.scores[::-1].copy()
    with pytest.raises(NoExactMap, match="the map does not reproduce its scores"):
        explainer.picture(half_cyan, answer, "cyan")


def test_other_scaling_typed_goes_through_the_map_as_well(tflite, half_cyan):
    classifier = Classifier(tflite, Overrides(input_mean=100.0, input_std=200.0, insist=True))
    assert Explainer(classifier).picture(half_cyan, classifier.classify(half_cyan), "cyan").any()


@pytest.mark.shared
def test_a_network_without_a_map_says_so_before_it_labels(label_image, shared_data):
    folder = shared_data / "retrained/keras_potato_tflite"
    words = (f"--graph={folder / '2.tflite'}", f"--labels={folder / 'labels.txt'}", folder / "images/healthy_leaf.jpg")
    done = label_image(*words, "--explain=maps")
    assert done.returncode == 1
    assert done.stdout == ""
    *_, last = done.stderr.splitlines()
    assert last.startswith("label_image: no exact heat map for ")
    assert last.endswith("a map needs convolutions, a global average and a linear layer")


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["hopper_orientation_6.jpg", "transparent.png", "16bit.cropped.tif", "portrait_2.jpg", "flower.webp"]
)
def test_odd_photos_are_explained_as_they_are_seen(name, tflite, shared_data):
    photo = shared_data / "torture" / name
    classifier = Classifier(tflite)
    answer = classifier.classify(photo)
    drawn = Explainer(classifier).picture(photo, answer, answer.top(1)[0][0])
    with Image.open(photo) as image:
        size = image.size[::-1] if image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8) else image.size
    assert (drawn.shape[1], drawn.shape[0]) == size


@pytest.mark.shared
@pytest.mark.parametrize("export", [*EXPORTS, "retrained_dynamic.tflite", "retrained_int8.tflite"])
def test_maps_of_real_photos_are_exact_in_every_export(export, flowers, shared_data):
    graph = flowers / "tf_files" / export
    classifier, maps, (weights, biases) = Classifier(graph), feature_maps(graph), head_of(graph)
    photos = sorted((shared_data / "flower_photos").glob("*/*.jpg"))[40::97]
    assert len(photos) == 10
    for photo in photos:
        ready: Any = classifier.ready(photo)
        (features,) = maps(ready[None])
        shares = np.stack([class_activation_map(features, column) for column in weights.T], -1)
        assert shares.shape == (7, 7, 5)
        logits = shares.mean(axis=(0, 1)) + biases
        scores = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        np.testing.assert_allclose(scores, classifier.classify(photo).scores, atol=1e-5)


@pytest.mark.shared
def test_most_of_what_speaks_for_a_flower_lies_on_the_flower(flowers, shared_data):
    """A daisy in the right half of a picture whose left half is a seashore."""
    daisy = Image.open(min((shared_data / "flower_photos/daisy").glob("*.jpg"))).resize((224, 448))
    shore = Image.open(shared_data / "imagenet_sample/n09428293_seashore.JPEG").convert("RGB").resize((224, 448))
    both = Image.new("RGB", (448, 448))
    both.paste(shore, (0, 0))
    both.paste(daisy, (224, 0))
    file = io.BytesIO()
    both.save(file, "PNG")
    classifier = Classifier(flowers / "tf_files/retrained.tflite")
    evidence = Explainer(classifier).evidence(file.getvalue(), classifier.classify(file.getvalue()), "daisy")
    assert evidence[:, 4:].clip(0).sum() > 4 * evidence[:, :3].clip(0).sum()
