"""The same names on each system are the same, and names that cannot be told apart are not left to chance."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from label_image.errors import UserError
from retrain.data.comparable_names import composed, folded, seen
from retrain.data.layout import ClassFolder, class_folders
from retrain.data.split import grouped_percents
from retrain.options.options import Options
from retrain.pipeline.settings import divided, percentages_of, rules_of
from retrain.types import Photo, Scan

ROSE_NFC, ROSE_NFD = "ros\u00e9", "rose\u0301"


def tree(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def folders_of(root: Path, **flags: object) -> tuple[list[ClassFolder], list[str]]:
    options = Options.of(image_dir=str(root), **flags)
    return class_folders(options.data.image_dir, rules_of(options), percentages_of(options))


def labels(root: Path, **flags: object) -> list[str]:
    return [folder.label for folder in folders_of(root, **flags)[0]]


def notes(root: Path) -> list[str]:
    return folders_of(root)[1]


def refusal(root: Path, **flags: object) -> str:
    with pytest.raises(UserError) as caught:
        folders_of(root, **flags)
    return str(caught.value)


# The split


def photos(form: Literal["NFC", "NFD"], folder: str = "photos") -> list[Photo]:
    """Two classes of forty, named by a system that writes this form; with copies and names in groups."""
    made = []
    for label in ("g\u00e4nsebl\u00fcmchen", "ros\u00e9"):
        names = [f"\u00e9t\u00e9 {number}.png" for number in range(30)]
        names += [f"\u00e9_nohash_{number}.png" for number in range(5)]
        for name in names:
            digest = hashlib.sha256(f"{label}/{name}".encode()).hexdigest()
            spelled = unicodedata.normalize(form, f"{folder}/{label}/{name}")
            made.append(Photo(spelled, label, digest))
        twin = unicodedata.normalize(form, f"{folder}/{label}/\u00e9t\u00e9 0 (1).png")
        made.append(Photo(twin, label, made[-len(names)].sha256))
    return made


@pytest.mark.parametrize("flags", [{}, {"split_seed": 3}, {"legacy_split": True}])
def test_photos_named_by_a_mac_and_by_linux_are_split_alike(flags):
    options = Options.of(image_dir="photos", **flags)
    ours, theirs = (divided(options, Scan(tuple(photos(form)))) for form in ("NFC", "NFD"))
    assert [photo.sha256 for photo in ours.photos] == [photo.sha256 for photo in theirs.photos]
    assert ours.lists.tolist() == theirs.lists.tolist()
    assert len(set(ours.lists.tolist())) == 3


def test_names_in_ascii_fall_where_they_always_fell():
    names = (
        ("daisy", "0.jpg"),
        ("Rose Red-2", "IMG_0001 (1).JPG"),
        ("a", "leaf_nohash_1.jpg"),
        ("a", "leaf_nohash_2.jpg"),
    )
    made = [Photo(f"x/{label}/{name}", label, hashlib.sha256(name.encode()).hexdigest()) for label, name in names]
    assert [round(p, 6) for p in grouped_percents(made, 0)] == [92.842278, 51.50185, 86.759893, 86.759893]
    assert [round(p, 6) for p in grouped_percents(made, 7)] == [49.049853, 94.788331, 63.97026, 63.97026]


# Classes


@pytest.mark.parametrize("name", [ROSE_NFC, ROSE_NFD])
def test_a_label_is_in_the_composed_form(tmp_path, name):
    assert labels(tree(tmp_path, f"{name}/1.jpg", "zebra/1.jpg")) == [ROSE_NFC, "zebra"]


@pytest.mark.parametrize("name", [ROSE_NFC, ROSE_NFD])
def test_a_legacy_label_does_not_depend_on_the_form_either(tmp_path, name):
    assert labels(tree(tmp_path, f"{name}/1.jpg", "zebra/1.jpg"), legacy_labels=True) == ["ros ", "zebra"]


def test_a_class_in_train_and_test_is_one_in_whatever_form_each_is_written(tmp_path):
    root = tree(tmp_path, f"train/{ROSE_NFC}/1.jpg", "train/tulip/1.jpg", f"test/{ROSE_NFD}/2.jpg", "test/tulip/2.jpg")
    assert sorted(set(labels(root))) == [ROSE_NFC, "tulip"]


SAME = [(ROSE_NFC, ROSE_NFD), ("rose", "rose "), ("rose", " rose"), ("rose", "rose\u200b"), ("rose", "ro\u00adse")]
SAME += [("red rose", "red  rose"), ("red rose", "red\u00a0rose"), ("rose", "rose\ufe0f"), ("rose", "\u202arose\u202c")]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_folders_whose_names_look_the_same_are_refused_and_both_are_named(tmp_path, one, other):
    said = refusal(tree(tmp_path, f"{one}/1.jpg", f"{other}/2.jpg"))
    assert said.startswith("two folders have names that look the same: ")
    assert ascii(one) in said
    assert ascii(other) in said
    assert said.endswith("if they are one class, move the photos into one of them; otherwise rename one")


ALIKE = [("Rose", "rose"), ("rose", "\uff52\uff4f\uff53\uff45"), ("STRASSE", "stra\u00dfe"), ("rose", "r\u043ese")]
ALIKE += [("red-rose", "red\u2013rose"), ("Ros\u00e9", ROSE_NFD)]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_two_folders_whose_names_look_alike_are_two_classes_and_that_is_said(tmp_path, one, other):
    root = tree(tmp_path, f"{one}/1.jpg", f"{other}/2.jpg", "tulip/1.jpg")
    assert len(set(labels(root))) == 3
    (note,) = notes(root)
    assert "separate classes" in note
    assert ascii(composed(one)) in note
    assert ascii(composed(other)) in note
    assert "tulip" not in note


@pytest.mark.parametrize(
    ("one", "other"), [("rose", "roses"), ("rose", "ros\u00e9"), ("a b", "ab"), ("1", "01"), ("o", "\u00f6")]
)
def test_names_that_differ_are_taken_without_a_word(tmp_path, one, other):
    root = tree(tmp_path, f"{one}/1.jpg", f"{other}/2.jpg")
    assert sorted(labels(root)) == sorted([one, other])
    assert notes(root) == []


def test_many_names_that_look_alike_are_one_line(tmp_path):
    root = tree(tmp_path, *(f"{letter}/1.jpg" for letter in "abcdefghABCDEFGH"))
    (note,) = notes(root)
    assert note.count(" and ") == 7  # six pairs, and how many more
    assert "; and 2 more;" in note


def test_a_class_of_the_test_that_looks_like_one_of_the_training_is_pointed_out(tmp_path):
    said = refusal(tree(tmp_path, "train/rose/1.jpg", "train/tulip/1.jpg", "test/Rose/1.jpg", "test/tulip/1.jpg"))
    assert "is it 'rose', which looks like 'Rose'? then rename it" in said


@pytest.mark.parametrize("name", ["", "\udce9", "\u0301", "\u200b", "猫", "👩\u200d🌾"])
def test_any_name_can_be_compared(name):
    assert isinstance(seen(name), str)
    assert isinstance(folded(name), str)
    assert composed(composed(name)) == composed(name)
