"""Which folder is which class and list; where that cannot be told, one clear line and the trees seen and expected."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from label_image.errors import UserError
from retrain.cli import main
from retrain.data.layout import ClassFolder, class_folders, legacy_label
from retrain.options.options import Options
from retrain.pipeline.settings import percentages_of, rules_of
from retrain.types import TESTING, TRAINING, VALIDATION


def tree(root: Path, *names: str) -> Path:
    """Files, and folders where a name ends in a slash."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(name.encode("utf-8", "surrogateescape"))
    return root


def folders_of(root: Path | str, **flags: object) -> tuple[list[ClassFolder], list[str]]:
    options = Options.of(image_dir=str(root), **flags)
    return class_folders(options.data.image_dir, rules_of(options), percentages_of(options))


def found(root: Path | str, **flags: object) -> list[tuple[str, int | None]]:
    return [(folder.label, folder.given) for folder in folders_of(root, **flags)[0]]


def refusal(root: Path | str, **flags: object) -> str:
    with pytest.raises(UserError) as caught:
        folders_of(root, **flags)
    assert caught.value.exit_status == 2
    return str(caught.value)


def notes(root: Path | str, **flags: object) -> list[str]:
    return folders_of(root, **flags)[1]


# --- classes


def test_the_sub_folders_are_the_classes_in_the_order_of_their_code_points(tmp_path):
    tree(tmp_path, "rose/1.jpg", "Daisy/1.jpg", "élan/1.jpg")
    assert found(tmp_path) == [("Daisy", None), ("rose", None), ("élan", None)]
    assert notes(tmp_path) == []


@pytest.mark.parametrize("name", ["Rose_Red-2", " daisy ", "猫", "Café (x)", "\u00e9", "a.b.jpg", "'$x'"])
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
    assert "one name per line; rename it" in text
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
        folder = folders_of(typed)[0][0]
        assert folder.path == f"{typed.rstrip('/')}/a"


def test_loose_photos_are_counted_and_other_loose_files_are_not(tmp_path):
    tree(tmp_path, "a/1.jpg", "b/1.jpg", "LICENSE.txt")
    assert notes(tmp_path) == []
    tree(tmp_path, "x.JPG", "y.png", ".z.jpg")
    assert notes(tmp_path) == [f"2 photos directly in {tmp_path} belong to no class and are not read"]


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
        "found:     flowers/ (empty)",
        "expected:  flowers/CLASS/photo.jpg",
    ]
    tree(root, "notes.txt", "table.csv")
    assert "found:     flowers/{notes.txt, table.csv}" in refusal(root)


def test_an_empty_class_folder_is_one_line_before_any_photo_is_read(tmp_path):
    tree(tmp_path, "a/1.jpg", "b/", "b/.DS_Store")
    assert refusal(tmp_path) == (
        f"cannot train the class 'b': no photo in {tmp_path}/b; add photos or remove the folder (each folder in {tmp_path} is a class)"
    )


def test_a_class_whose_photos_lie_deeper_is_told_so(tmp_path):
    tree(tmp_path, "a/1.jpg", "b/old/1.jpg")
    text = refusal(tmp_path)
    assert "move their photos up one level" in text
    assert "found:     b/old/" in text


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
        "--image_dir=flowers/daisy/ is one level too low: it contains photos, but no class folders; give the parent folder: --image_dir=flowers",
        "found:     daisy/{a.png, b.JPG}",
        "expected:  flowers/daisy/a.png",
    ]


@pytest.mark.parametrize(("typed", "above"), [(".", "./.."), ("../daisy", ".."), ("./", "./..")])
def test_the_folder_above_is_right_however_the_folder_was_typed(tmp_path, monkeypatch, typed, above):
    tree(tmp_path, "flowers/daisy/1.jpg", "flowers/rose/1.jpg")
    monkeypatch.chdir(tmp_path / "flowers" / "daisy")
    text = refusal(typed)
    assert f"give the parent folder: --image_dir={above}\n" in text
    assert "found:     daisy/{1.jpg}\nexpected:  flowers/daisy/1.jpg" in text
    assert len(found(above)) == 2


@pytest.mark.parametrize("below", ["flower_photos", "a/b/flower_photos"])
def test_one_level_too_high_is_recognised_and_more_levels_too(tmp_path, below):
    tree(tmp_path / "data", f"{below}/daisy/1.jpg", f"{below}/rose/1.jpg", "LICENSE.txt")
    root = tmp_path / "data"
    assert refusal(root).splitlines() == [
        f"--image_dir={root} is one level too high: its folders contain folders, not photos; give --image_dir={root}/{below}",
        f"found:     data/{below}/{{daisy/, rose/}}",
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
    assert notes(tmp_path) == ["the folders test/, train/, validation/ determine the subset of each photo; it is kept"]


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
    assert f"no folder has photos for validation: 10% of {tmp_path}/train is used instead" in notes(tmp_path)
    assert len(notes(tmp_path, validation_percentage=0)) == 1


def test_a_test_folder_without_classes_is_no_test_and_that_is_said(tmp_path):
    tree(tmp_path, *(one for one in PETS if not one.startswith("test")), "test/1.jpg", "test/2.jpg")
    assert TESTING not in {given for _, given in found(tmp_path)}
    assert any("no folder has photos for testing" in note for note in notes(tmp_path))


def test_a_training_folder_without_classes_is_refused_with_both_trees(tmp_path):
    tree(tmp_path, "train/1.jpg", "test/1.jpg")
    text = refusal(tmp_path)
    assert "found:     train/{1.jpg}\nexpected:  train/CLASS/photo.jpg" in text


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


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train_images", "test_images"), ("training_set", "test_set"), ("trainset", "testset"), ("Train", "TEST"),
        ("seg_train", "seg_test"), ("train2017", "test2017"), ("TrainImages", "TestImages"), ("entraînement", "test"),
        ("训练集", "测试集"), ("data-train", "data-test"), ("Training Data", "Testing Data"), ("treino", "teste"),
    ],
)  # fmt: skip
def test_other_spellings_of_the_lists_are_kept_and_said(tmp_path, train, test):
    tree(tmp_path, *(f"{part}/{label}/1.jpg" for part in (train, test) for label in ("cat", "dog")))
    assert found(tmp_path) == [("cat", None), ("dog", None), ("cat", TESTING), ("dog", TESTING)]
    assert f"{train}/" in notes(tmp_path)[0]
    assert "determine the subset of each photo" in notes(tmp_path)[0]


@pytest.mark.parametrize(("dev", "which"), [("dev", VALIDATION), ("eval", VALIDATION), ("valid", VALIDATION)])
def test_other_words_for_validation_are_known(tmp_path, dev, which):
    tree(tmp_path, *(f"{part}/{label}/1.jpg" for part in ("train", dev) for label in ("cat", "dog")))
    assert {given for _, given in found(tmp_path)} == {None, which}


def test_a_list_folder_in_one_of_the_same_name_is_gone_through_as_unpacked_archives_have_it(tmp_path):
    tree(tmp_path, *(f"{x}/{x}/{label}/1.jpg" for x in ("training_set", "test_set") for label in ("cat", "dog")))
    assert found(tmp_path) == [("cat", None), ("dog", None), ("cat", TESTING), ("dog", TESTING)]


def test_lists_in_each_class_are_kept_and_said(tmp_path):
    tree(tmp_path, *(f"{label}/{part}/1.jpg" for label in ("cat", "dog") for part in ("train", "test")))
    assert found(tmp_path) == [("cat", None), ("dog", None), ("cat", TESTING), ("dog", TESTING)]
    assert "the folders test/, train/ in each class determine the subset" in notes(tmp_path)[0]


def test_a_test_folder_beside_the_classes_is_the_test_where_it_has_their_names(tmp_path):
    tree(tmp_path, "cat/1.jpg", "dog/1.jpg", "test/cat/1.jpg", "test/dog/1.jpg")
    assert found(tmp_path) == [("cat", None), ("dog", None), ("cat", TESTING), ("dog", TESTING)]


@pytest.mark.parametrize(
    ("train", "test"),
    [("asl_alphabet_train", "asl_alphabet_test"), ("X_train", "X_test"), ("trainA", "testA"), ("imagenet-train", "imagenet-val")],
)  # fmt: skip
@pytest.mark.parametrize("inner", [False, True])
def test_names_that_differ_in_nothing_but_the_list_are_lists(tmp_path, train, test, inner):
    places = [f"{one}/{one}" if inner else one for one in (train, test)]
    tree(tmp_path, *(f"{place}/{label}/1.jpg" for place in places for label in ("cat", "dog")))
    which = VALIDATION if "val" in test else TESTING
    assert [one for one in found(tmp_path) if one[1] is not None and one[1] != TRAINING] == [
        ("cat", which),
        ("dog", which),
    ]
    assert "determine the subset of each photo" in notes(tmp_path)[0]
    if not inner and which == TESTING:
        assert any(note.endswith(f"--image_dir={tmp_path}") for note in notes(tmp_path / train))


def test_classes_that_are_parted_into_lists_by_their_names_are_said(tmp_path):
    names = ["cat_test", "cat_train", "dog_test", "dog_train"]
    tree(tmp_path, *(f"{name}/{number}.jpg" for name in names for number in range(2)))
    assert found(tmp_path) == [(name, None) for name in names]
    (note,) = [note for note in notes(tmp_path) if "differ only in the subset" in note]
    assert "cat_test/ and cat_train/, and 1 more such; if that is wrong, move the photos into" in note


def test_train_and_test_are_never_offered_as_classes_and_parts_keep_the_test(tmp_path):
    tree(tmp_path / "mvtec", *(f"bottle/{place}/1.jpg" for place in ("train/good", "test/good", "test/broken")))
    assert "--nested" not in refusal(tmp_path / "mvtec")
    tree(
        tmp_path / "parts",
        *(
            f"{place}/1.jpg"
            for label in ("cat", "dog")
            for place in (f"train/{label}/p1", f"train/{label}/p2", f"test/{label}")
        ),
    )
    assert "parts of a class: --nested=parts" in refusal(
        tmp_path / "parts"
    )  # --image_dir=train would leave test/ unread
    assert ("cat", TESTING) in found(tmp_path / "parts", nested="parts")


@pytest.mark.parametrize("names", [("bullet_train", "steam_train", "crash_test"), ("steam_train", "crash_test")])
def test_classes_that_are_called_after_trains_and_tests_remain_classes(tmp_path, names):
    tree(tmp_path, *(f"{name}/{number}.jpg" for name in names for number in range(2)))
    assert found(tmp_path) == [(name, None) for name in sorted(names)]


@pytest.mark.parametrize("names", [("test", "control"), ("valid", "invalid"), ("train", "bus"), ("Test", "dev", "cat")])
def test_classes_named_as_lists_remain_classes_and_that_is_said(tmp_path, names):
    tree(tmp_path, *(f"{name}/{number}.jpg" for name in names for number in range(2)))
    assert found(tmp_path) == [(name, None) for name in sorted(names)]
    assert any(f"{names[0]}/ is read as a class" in note for note in notes(tmp_path))


@pytest.mark.parametrize("place", ["test", "test/unknown", "test/images"])
def test_unlabelled_test_photos_are_counted_with_the_command_that_labels_them(tmp_path, place):
    tree(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg", *(f"{place}/{number}.jpg" for number in range(9)))
    (note,) = [note for note in notes(tmp_path) if "label_image" in note]
    assert note.startswith(f"9 photos in {tmp_path}/{place} are in no class folder: not used for testing")
    assert note.endswith(f"python -m label_image --image {tmp_path}/{place}")
    assert found(tmp_path) == [("cat", None), ("dog", None)]


def test_train_or_test_alone_as_image_dir_says_that_the_other_stands_beside_it(tmp_path):
    tree(tmp_path, *PETS)
    (note,) = [note for note in notes(tmp_path / "test") if "beside" in note]
    assert note.endswith(f"to train on train/ instead, give the parent folder: --image_dir={tmp_path}")
    assert any(
        f"to test on test/, give the parent folder: --image_dir={tmp_path}" in x for x in notes(tmp_path / "train")
    )


def test_a_test_folder_without_anything_to_train_on_is_never_advised(tmp_path):
    tree(tmp_path, "test/cat/1.jpg", "test/dog/1.jpg", "other/1.jpg")
    text = refusal(tmp_path)
    assert f"--image_dir={tmp_path}/test" not in text
    assert "its name stands for a test or validation set" in text


# --- folders in folders


def nested(tops, parts):
    return [f"{top}/{part}/{number}.jpg" for top in tops for part in parts for number in range(4)]


@pytest.mark.parametrize("parts", [("part_1", "part_2"), ("2019", "2020"), ("camera a", "camera b", "camera c")])
def test_folders_in_folders_are_read_in_two_ways_and_both_are_shown_with_their_classes(tmp_path, parts):
    root = tree(tmp_path / "dd", *nested(("cat", "dog"), parts))
    text = refusal(root)
    assert f"- 2 classes: cat ({4 * len(parts)} photos), dog ({4 * len(parts)}), if" in text
    assert f"- {len(parts)} classes: {parts[0]} (8 photos)" in text
    assert "--nested=parts" in text
    assert "--nested=groups" in text
    assert f"--image_dir={root}/" not in text  # no folder of them trains anything sensible by itself
    assert found(root, nested="parts") == [(label, None) for label in ("cat", "dog") for _ in parts]
    assert {label for label, _ in found(root, nested="groups")} == set(parts)


def test_several_folders_of_photos_are_all_named_with_their_classes(tmp_path):
    tree(tmp_path, *nested(("flowers",), ("daisy", "rose")), *nested(("animals",), ("cat", "dog")))
    text = refusal(tmp_path)
    assert f"- 2 classes: cat (4 photos), dog (4), if only this folder is meant: --image_dir={tmp_path}/animals" in text
    assert (
        f"- 2 classes: daisy (4 photos), rose (4), if only this folder is meant: --image_dir={tmp_path}/flowers" in text
    )
    assert "- 4 classes: cat (4 photos), dog (4), daisy (4), rose (4)" in text


def test_sites_with_lists_are_never_merged_into_classes_called_train_and_test(tmp_path):
    tree(tmp_path, *(f"{site}/{x}" for site in ("north", "south") for x in nested(("train", "test"), ("cat", "dog"))))
    text = refusal(tmp_path)
    assert "--nested" not in text
    assert "train (" not in text
    assert text.count("- 2 classes: cat (4 photos), dog (4)") == 2


def test_parts_in_some_classes_only_are_offered_too(tmp_path):
    tree(tmp_path, "cat/1.jpg", "bird/1.jpg", *nested(("dog",), ("part_1", "part_2")))
    assert "--image_dir" not in refusal(tmp_path).split("\n")[1]
    assert found(tmp_path, nested="parts") == [("bird", None), ("cat", None), ("dog", None), ("dog", None)]


def test_parts_in_train_and_test_are_read_with_the_flag(tmp_path):
    tree(tmp_path, *(f"{part}/{x}" for part in ("train", "test") for x in nested(("cat", "dog"), ("1", "2"))))
    assert "--nested=parts" in refusal(tmp_path)
    given = found(tmp_path, nested="parts")
    assert given == [(label, which) for which in (None, TESTING) for label in ("cat", "cat", "dog", "dog")]


def test_nested_flags_that_give_fewer_than_two_classes_are_refused(tmp_path):
    tree(tmp_path, "cat/a/1.jpg")
    assert "found 1 class: cat; two classes are needed" in refusal(tmp_path, nested="parts")
    tree(tmp_path / "flat", "cat/1.jpg", "dog/1.jpg")
    assert "leave --nested out" in refusal(tmp_path / "flat", nested="groups")


def test_a_folder_without_two_classes_anywhere_says_where_the_photos_are(tmp_path):
    tree(tmp_path, "a/b/c/1.jpg", "a/b/c/2.jpg")
    assert f"2 photos, all below {tmp_path}/a/b/c" in refusal(tmp_path)
    assert "no photos in --image_dir" in refusal(tree(tmp_path / "empty", "a/b/", "c/d/x.txt"))


def test_the_look_at_a_large_tree_is_bounded_and_the_bound_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("retrain.data.folder_tree.MOST_FOLDERS", 20)
    tree(tmp_path, *(f"disk/{a}/{b}/1.jpg" for a in range(10) for b in range(10)))
    text = refusal(tmp_path)
    assert "(searched only the first 20 folders and " in text
    assert "--nested" not in text  # what was not seen could change it
    monkeypatch.setattr("retrain.data.folder_tree.MOST_SECONDS", -1)
    assert "searched only the first 0 folders" in refusal(tmp_path)


def test_a_text_beside_the_class_folders_hides_no_level(tmp_path):
    tree(tmp_path, "data/README.txt", "data/daisy/1.jpg", "data/rose/1.jpg", "docs/a.md")
    assert f"give --image_dir={tmp_path}/data\n" in refusal(tmp_path)


def test_photos_without_an_ending_are_seen_by_their_first_bytes_and_other_files_are_not(tmp_path):
    for name in ("top/daisy/1", "top/rose/1"):
        tree(tmp_path, name).joinpath(name).write_bytes(b"\xff\xd8\xff\xe0 and so on")
    assert f"give --image_dir={tmp_path}/top\n" in refusal(tmp_path)
    assert "no photos in" in refusal(tree(tmp_path / "bin", "usr/a/tool", "usr/b/tool"))


# --- what is no folder of photos


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("flowers.zip", "unzip "), ("flowers.tgz", "tar -xzf "), ("flowers.tar.gz", "tar -xzf "),
        ("labels.csv", "python -m retrain.convert csv "), ("a.tfrecord", "retrain.convert tfrecord"), ("1.jpg", "it is a photo"),
        ("train-images-idx3-ubyte.gz", "retrain.convert mnist"),
    ],
)  # fmt: skip
def test_a_file_in_place_of_a_folder_is_told_apart(tmp_path, name, part):
    tree(tmp_path, name)
    assert part in refusal(tmp_path / name)
    folder = tree(tmp_path / "folder", name)
    if name != "1.jpg":
        assert part in refusal(folder) or "unpack" in refusal(folder)


def test_an_address_is_to_be_downloaded(tmp_path):
    assert "it is a web address: download it" in refusal("http://example.org/flowers.tgz")


def test_photos_without_class_folders_are_sent_to_the_table_beside_them_and_never_to_a_home_folder(tmp_path):
    root = tree(tmp_path / "home", "photos/1.jpg", "Documents/a.txt", "Music/b.mp3") / "photos"
    text = refusal(root)
    assert "give the folder above" not in text
    assert "make a folder for each class" in text
    tree(tmp_path / "home", "labels.csv")
    assert f"python -m retrain.convert csv {tmp_path}/home/labels.csv NEW_FOLDER --root {root}" in refusal(root)


# --- our own outputs

OUTPUTS = {
    "tf_files": ["bottlenecks/bottlenecks.sqlite"],
    "out": [
        "retrained.tflite",
        "retrained_labels.txt",
        "runs/2026/run.json",
        "models/mobilenet_v1_0.25_128/frozen_graph.pb",
    ],
    "runs": ["2026-a/run.json", "2026-a/report.html", "2026-b/run.json"],
    "models": ["mobilenet_v1_0.25_128_frozen.tgz"],
    "nets": ["efficientnet_lite0.tflite", "efficientnet_lite0.json"],
    "logs": [".made-by-retrain", "train/events.out.tfevents.1.host", "test/sprite.jpg"],
    "device": ["model.tflite", "labels.txt", "run.py", "expected.json", "test_photo.jpg"],
    "saved": ["saved_model.pb", "variables/variables.index"],
    "heat_maps": ["daisy_1_heat.jpg", "daisy_1_heat_2.jpg"],
    "sorted": ["daisy/1.jpg", "_unsure/2.jpg"],
    "_unsure": ["1.jpg"],
    "comparisons": ["20261121/compare.json"],
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_this_tool_wrote_is_no_class_and_that_is_said(tmp_path, name):
    tree(tmp_path, "daisy/1.jpg", "rose/1.jpg", *(f"{name}/{file}" for file in OUTPUTS[name]))
    assert found(tmp_path) == [("daisy", None), ("rose", None)]
    (note,) = notes(tmp_path)
    assert note.startswith(f"{tmp_path}/{name}/ contains ")
    assert "not read" in note


def test_several_of_our_folders_are_said_in_one_line(tmp_path):
    tree(
        tmp_path,
        "daisy/1.jpg",
        "rose/1.jpg",
        *(f"{name}/{file}" for name in ("runs", "saved") for file in OUTPUTS[name]),
    )
    assert notes(tmp_path) == [
        f"{tmp_path}/runs/ contains the record of a run, {tmp_path}/saved/ contains a SavedModel: these folders are not classes and are not read"
    ]


@pytest.mark.parametrize("name", ["models", "runs", "tf_files", "device", "bottlenecks", "sorted"])
def test_a_class_of_such_a_name_with_photos_remains_one(tmp_path, name):
    tree(tmp_path, f"{name}/1.jpg", f"{name}/retrained.tflite", f"{name}/run.json", "rose/1.jpg")
    assert sorted(found(tmp_path)) == sorted([(name, None), ("rose", None)])


def test_a_class_that_has_both_parts_and_outputs_is_not_lost(tmp_path):
    tree(tmp_path, *nested(("cat", "dog"), ("part_1", "part_2")), "cat/tf_files/bottlenecks/bottlenecks.sqlite")
    assert {label for label, _ in found(tmp_path, nested="parts")} == {"cat", "dog"}


def test_photos_beside_our_outputs_are_found_and_advised(tmp_path):
    tree(tmp_path, *nested(("flowers",), ("daisy", "rose")), *(f"{file}" for file in OUTPUTS["out"]))
    assert f"give --image_dir={tmp_path}/flowers\n" in refusal(tmp_path)
    tree(tmp_path / "project", *(f"tf_files/{x}" for x in nested(("flowers",), ("daisy", "rose"))), "src/a.py")
    tree(tmp_path / "project", *(f"tf_files/{file}" for file in OUTPUTS["out"]))
    assert f"--image_dir={tmp_path}/project/tf_files/flowers" in refusal(tmp_path / "project")


def test_a_folder_of_outputs_alone_is_said_to_be_one(tmp_path):
    tree(tmp_path, "tf_files/bottlenecks/bottlenecks.sqlite")
    assert "it contains only folders that this tool wrote" in refusal(tmp_path)


# --- no permission


@pytest.mark.parametrize("closed", ["photos", "photos/a"])
def test_a_folder_that_may_not_be_read_is_one_line(tmp_path, monkeypatch, closed):
    tree(tmp_path, "photos/a/1.jpg", "photos/b/1.jpg")
    real = os.scandir

    def scandir(folder):
        if folder == str(tmp_path / closed):
            raise PermissionError(13, "Permission denied", folder)
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    text = refusal(tmp_path / "photos")
    assert text.startswith(f"cannot read the folder {tmp_path / closed}: Permission denied; change its permissions")


def test_a_folder_in_one_that_may_not_be_entered_is_one_line(tmp_path, monkeypatch):
    def closed(path, **_):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr("retrain.data.layout.os.stat", closed)
        text = refusal("/locked/photos")
    assert text == "cannot read --image_dir='/locked/photos': Permission denied"


# --- the flag left out


@pytest.mark.parametrize("before", [[], ["--seed=1"], ["--seed", "1"], ["--strict=true"]])
def test_a_folder_without_its_flag_is_asked_about(tmp_path, monkeypatch, capsys, before):
    tree(tmp_path, "my flowers/a/1.jpg")
    monkeypatch.chdir(tmp_path)
    assert main([*before, "my flowers"]) == 2
    assert "did you mean --image_dir 'my flowers'?" in capsys.readouterr().err
    assert main([*before, "my"]) == 2
    assert "did you mean" not in capsys.readouterr().err
    assert not (tmp_path / "tf_files").exists()


def test_each_reading_is_a_line_of_its_own_and_a_name_cannot_forge_one(tmp_path, monkeypatch, capsys):
    tree(tmp_path, *nested(("cat", "dog\nretrain: all is well"), ("part_1", "part_2")))
    monkeypatch.chdir(tmp_path)
    assert main(["--image_dir=."]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("retrain: cannot tell which folders of --image_dir=. are the classes")
    assert [line[:10] for line in lines[1:]] == ["found:    ", "- 2 classe", "- 2 classe"]
    assert "dog\\nretrain: all is well" in lines[1]
