"""Which folder is which class and list; where that can not be told, one clear line and the trees seen and expected."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from label_image.errors import UserError
from retrain import listing
from retrain.folders import class_folders, legacy_label
from retrain.nouns import TESTING, TRAINING, VALIDATION
from retrain.plan import Plan


def tree(root: Path, *names: str) -> Path:
    """Files, and folders where a name ends in a slash."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(name.encode("utf-8", "surrogateescape"))
    return root


def found(root: Path | str, **flags: object) -> list[tuple[str, int | None]]:
    return [(folder.label, folder.given) for folder in class_folders(Plan(image_dir=str(root), **flags))[0]]


def refusal(root: Path | str, **flags: object) -> str:
    with pytest.raises(UserError) as caught:
        class_folders(Plan(image_dir=str(root), **flags))
    assert caught.value.exit_status == 2
    return str(caught.value)


def notes(root: Path | str, **flags: object) -> list[str]:
    return class_folders(Plan(image_dir=str(root), **flags))[1]


# --- classes


def test_the_sub_folders_are_the_classes_in_the_order_of_their_code_points(tmp_path):
    tree(tmp_path, "rose/1.jpg", "Daisy/1.jpg", "élan/1.jpg")
    assert found(tmp_path) == [("Daisy", None), ("rose", None), ("élan", None)]
    assert notes(tmp_path) == []


@pytest.mark.parametrize("name", ["Rose_Red-2", " daisy ", "猫", "Café (x)", "e\u0301", "\u00e9", "a.b.jpg", "'$x'"])
def test_a_label_is_the_folders_name_byte_for_byte(tmp_path, name):
    tree(tmp_path, f"{name}/1.jpg", "zebra/1.jpg")
    assert os.fsencode(name) in [label.encode() for label, _ in found(tmp_path)]


@pytest.mark.parametrize(("name", "label"), [("Rose_Red-2", "rose red 2"), ("Café (x)", "caf x "), ("a.b", "a b")])
def test_legacy_labels_are_the_originals(tmp_path, name, label):
    tree(tmp_path, f"{name}/1.jpg", "zebra/1.jpg")
    assert legacy_label(name) == label
    assert label in [label for label, _ in found(tmp_path, legacy_labels=True)]


def test_two_folders_with_one_legacy_label_are_refused_and_both_named(tmp_path):
    tree(tmp_path, "Rose-Red/1.jpg", "rose_red/1.jpg")
    assert len(found(tmp_path)) == 2
    text = refusal(tmp_path, legacy_labels=True)
    assert "two folders have the label 'rose red'" in text
    assert "Rose-Red" in text
    assert "rose_red" in text
    assert "--legacy_labels" in text


def test_a_name_that_legacy_labels_leave_blank_is_refused(tmp_path):
    tree(tmp_path, "猫/1.jpg", "dog/1.jpg")
    assert "its label would be ' '" in refusal(tmp_path, legacy_labels=True)


@pytest.mark.parametrize("name", ["two\nlines", "line\rfeed", "   "])
def test_a_name_that_a_labels_file_can_not_hold_is_refused(tmp_path, name):
    tree(tmp_path, f"{name}/1.jpg", "dog/1.jpg")
    text = refusal(tmp_path)
    assert "one name a line; rename it" in text
    assert name not in text or name.isspace()  # a message is a line too


def test_a_folder_whose_name_is_not_utf8_is_refused_readably(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    tree(tmp_path, "dog/1.jpg")
    try:
        tree(tmp_path, f"{name}/1.jpg")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    text = refusal(tmp_path)
    assert "caf\\xe9" in text
    assert text.encode()


@pytest.mark.parametrize(
    "name",
    [".hidden", ".ipynb_checkpoints", "__MACOSX", "Thumbs.db", "@eaDir", "$RECYCLE.BIN", "System Volume Information"],
)
def test_hidden_folders_and_junk_are_no_classes(tmp_path, name):
    tree(tmp_path, "a/1.jpg", "b/1.jpg", f"{name}/1.jpg")
    assert found(tmp_path) == [("a", None), ("b", None)]


def test_a_folder_named_like_a_photo_is_a_class(tmp_path):
    tree(tmp_path, "a.jpg/1.jpg", "b/1.jpg")
    assert found(tmp_path) == [("a.jpg", None), ("b", None)]


def test_links_to_folders_are_classes_and_links_in_circles_are_not(tmp_path):
    root = tree(tmp_path / "photos", "a/1.jpg")
    tree(tmp_path / "elsewhere", "b/1.jpg")
    (root / "b").symlink_to(tmp_path / "elsewhere" / "b")
    for name, target in {"self": ".", "up": "..", "top": "/", "loop": "loop", "nowhere": "missing"}.items():
        (root / name).symlink_to(target)
    assert found(root) == [("a", None), ("b", None)]


def test_the_path_stays_as_it_was_typed(tmp_path, monkeypatch):
    tree(tmp_path, "photos/a/1.jpg", "photos/b/1.jpg")
    monkeypatch.chdir(tmp_path)
    for typed in ("photos", "photos/", "./photos", "../" + tmp_path.name + "/photos"):
        folder = class_folders(Plan(image_dir=typed))[0][0]
        assert folder.path == f"{typed.rstrip('/')}/a"


def test_loose_photos_are_counted_and_other_loose_files_are_not(tmp_path):
    tree(tmp_path, "a/1.jpg", "b/1.jpg", "LICENSE.txt")
    assert notes(tmp_path) == []
    tree(tmp_path, "x.JPG", "y.png", ".z.jpg")
    assert notes(tmp_path) == [f"2 photos in {tmp_path} itself belong to no class and are not read"]


# --- nothing to train on


def test_a_folder_that_is_not_there_is_one_line_with_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal("flowers") == f"cannot read --image_dir=flowers: no such folder (looked in {tmp_path})"
    tree(tmp_path, "file")
    assert "no such folder" in refusal("file/flowers")


def test_a_tilde_that_the_shell_left_is_explained(tmp_path):
    assert "write $HOME" in refusal("~/flowers-that-are-not-there")


def test_an_archive_in_place_of_a_folder_is_to_be_unpacked(tmp_path):
    assert "it is a file; unpack it" in refusal(tree(tmp_path, "flowers.tgz") / "flowers.tgz")


@pytest.mark.parametrize("name", ["n" * 300, "nul\0byte"])
def test_a_name_that_no_folder_can_have_is_one_line(tmp_path, name):
    assert refusal(tmp_path / name).startswith("cannot read --image_dir=")


def test_an_empty_folder_shows_what_is_seen_and_what_is_expected(tmp_path):
    root = tree(tmp_path, "flowers/") / "flowers"
    assert refusal(root).splitlines() == [
        f"no photos in --image_dir={root}: it has no sub-folders",
        "seen:      flowers/ (empty)",
        "expected:  flowers/CLASS/photo.jpg",
    ]
    tree(root, "notes.txt", "table.csv")
    assert "seen:      flowers/{notes.txt, table.csv}" in refusal(root)


def test_an_empty_class_folder_is_one_line_before_any_photo_is_read(tmp_path):
    tree(tmp_path, "a/1.jpg", "b/", "b/.DS_Store")
    assert refusal(tmp_path) == (
        f"cannot train the class 'b': no photo in {tmp_path}/b; add photos or remove the folder (each folder in {tmp_path} is a class)"
    )


def test_a_class_whose_photos_lie_deeper_is_told_so(tmp_path):
    tree(tmp_path, "a/1.jpg", "b/old/1.jpg")
    text = refusal(tmp_path)
    assert "move their photos up one level" in text
    assert "seen:      b/old/" in text


def test_one_class_is_one_line(tmp_path):
    tree(tmp_path, "daisy/1.jpg")
    assert refusal(tmp_path) == (
        f"cannot train on one class: found only 'daisy' in {tmp_path}; add a second folder of photos beside it"
    )


# --- one level too high or too low


def test_one_level_too_low_is_recognised(tmp_path, monkeypatch):
    tree(tmp_path, "flowers/daisy/b.JPG", "flowers/daisy/a.png", "flowers/rose/1.jpg")
    monkeypatch.chdir(tmp_path)
    assert refusal("flowers/daisy/").splitlines() == [
        "--image_dir=flowers/daisy/ is one level too low: it holds photos itself, and no folder a class; give the folder above: --image_dir=flowers",
        "seen:      daisy/{a.png, b.JPG}",
        "expected:  flowers/daisy/a.png",
    ]


@pytest.mark.parametrize(("typed", "above"), [(".", "./.."), ("../daisy", ".."), ("./", "./..")])
def test_the_folder_above_is_right_however_the_folder_was_typed(tmp_path, monkeypatch, typed, above):
    tree(tmp_path, "flowers/daisy/1.jpg", "flowers/rose/1.jpg")
    monkeypatch.chdir(tmp_path / "flowers" / "daisy")
    text = refusal(typed)
    assert f"give the folder above: --image_dir={above}\n" in text
    assert "seen:      daisy/{1.jpg}\nexpected:  flowers/daisy/1.jpg" in text
    assert len(found(above)) == 2


@pytest.mark.parametrize("below", ["flower_photos", "a/b/flower_photos"])
def test_one_level_too_high_is_recognised_and_more_levels_too(tmp_path, below):
    tree(tmp_path / "data", f"{below}/daisy/1.jpg", f"{below}/rose/1.jpg", "LICENSE.txt")
    root = tmp_path / "data"
    assert refusal(root).splitlines() == [
        f"--image_dir={root} is one level too high: its folders hold folders, not photos; give --image_dir={root}/{below}",
        f"seen:      data/{below}/{{daisy/, rose/}}",
        "expected:  data/CLASS/photo.jpg",
    ]
    assert len(found(root / below)) == 2


def test_too_high_above_a_train_folder_leads_to_the_folder_that_holds_it(tmp_path):
    tree(tmp_path, *(f"data/pets/{part}/{label}/1.jpg" for part in ("train", "test") for label in ("cat", "dog")))
    assert f"give --image_dir={tmp_path}/data/pets\n" in refusal(tmp_path / "data")


def test_many_folders_are_not_all_printed(tmp_path):
    tree(tmp_path, *(f"data/photos/c{n}/1.jpg" for n in range(50)))
    assert "{c0/, c1/, c10/, c11/, c12/, c13/, ...}" in refusal(tmp_path / "data")


# --- folders that name lists

PETS = [f"{part}/{label}/1.jpg" for part in ("train", "validation", "test") for label in ("cat", "dog")]


def test_train_validation_and_test_folders_are_recognised_said_and_kept(tmp_path):
    tree(tmp_path, *PETS)
    expected = [(label, which) for which in (TRAINING, VALIDATION, TESTING) for label in ("cat", "dog")]
    assert found(tmp_path) == expected
    assert notes(tmp_path) == ["the folders test/, train/, validation/ say which list a photo belongs to; that is kept"]


@pytest.mark.parametrize(
    "names", [("Train", "Val", "Test"), ("training", "valid", "testing"), ("TRAIN", "val", "test")]
)
def test_list_folders_may_be_spelt_in_the_usual_ways(tmp_path, names):
    for name, part in zip(names, ("train", "validation", "test"), strict=True):
        tree(tmp_path, *(one.replace(part, name) for one in PETS if one.startswith(part)))
    assert {given for _, given in found(tmp_path)} == {TRAINING, VALIDATION, TESTING}


def test_where_a_list_has_no_folder_the_training_folder_is_dealt_to_it_and_that_is_said(tmp_path):
    tree(tmp_path, *(one for one in PETS if not one.startswith("validation")))
    assert found(tmp_path) == [("cat", None), ("dog", None), ("cat", TESTING), ("dog", TESTING)]
    assert f"no folder has photos for validation: 10 % of {tmp_path}/train are dealt to it" in notes(tmp_path)
    assert len(notes(tmp_path, validation_percentage=0)) == 1


def test_a_test_folder_without_classes_is_no_test_and_that_is_said(tmp_path):
    tree(tmp_path, *(one for one in PETS if not one.startswith("test")), "test/1.jpg", "test/2.jpg")
    assert TESTING not in {given for _, given in found(tmp_path)}
    assert any("no folder has photos for testing" in note for note in notes(tmp_path))


def test_a_training_folder_without_classes_is_refused_with_both_trees(tmp_path):
    tree(tmp_path, "train/1.jpg", "test/1.jpg")
    text = refusal(tmp_path)
    assert "seen:      train/{1.jpg}\nexpected:  train/CLASS/photo.jpg" in text


def test_a_class_that_only_the_test_folder_has_is_refused(tmp_path):
    tree(tmp_path, *PETS, "test/bird/1.jpg")
    assert f"its photos are in {tmp_path}/test/bird and none in {tmp_path}/train" in refusal(tmp_path)


def test_a_class_that_the_test_folder_lacks_is_said(tmp_path):
    tree(tmp_path, *PETS, "train/bird/1.jpg", "validation/bird/1.jpg", "test/bird/")
    assert f"{tmp_path}/test has no photos of bird" in notes(tmp_path)


def test_an_empty_class_or_a_single_one_in_the_training_folder_is_refused(tmp_path):
    tree(tmp_path, *(one for one in PETS if "cat" in one))
    assert "cannot train on one class: found only 'cat'" in refusal(tmp_path)
    tree(tmp_path, "train/dog/")
    assert "cannot train the class 'dog'" in refusal(tmp_path)


def test_two_folders_for_one_list_are_refused(tmp_path):
    tree(tmp_path, *PETS, "val/cat/1.jpg")
    assert "val/, validation/" in refusal(tmp_path)


def test_folders_beside_train_and_test_are_not_read_and_that_is_said(tmp_path):
    tree(tmp_path, *PETS, "annotations/1.xml")
    assert "the folders annotations/ beside them are not read" in notes(tmp_path)
    assert {label for label, _ in found(tmp_path)} == {"cat", "dog"}


def test_a_class_may_be_called_train(tmp_path):
    tree(tmp_path, "train/1.jpg", "bus/1.jpg")
    assert found(tmp_path) == [("bus", None), ("train", None)]


def test_one_label_twice_in_the_test_folder_is_refused(tmp_path):
    tree(tmp_path, *PETS, "test/Cat/1.jpg")
    assert "two folders have the label 'cat'" in refusal(tmp_path, legacy_labels=True)


# --- no permission


@pytest.mark.parametrize("closed", ["photos", "photos/a"])
def test_a_folder_that_may_not_be_read_is_one_line(tmp_path, monkeypatch, closed):
    tree(tmp_path, "photos/a/1.jpg", "photos/b/1.jpg")
    real = os.scandir

    def scandir(folder):
        if folder == str(tmp_path / closed):
            raise PermissionError(13, "Permission denied", folder)
        return real(folder)

    monkeypatch.setattr(listing.os, "scandir", scandir)
    text = refusal(tmp_path / "photos")
    assert text.startswith(f"cannot read the folder {tmp_path / closed}: Permission denied; change its permissions")


def test_a_folder_in_one_that_may_not_be_entered_is_one_line(tmp_path, monkeypatch):
    def closed(path, **_):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr("retrain.folders.os.stat", closed)
        text = refusal("/locked/photos")
    assert text == "cannot read --image_dir='/locked/photos': Permission denied"
