"""Tests that the photos are found and checked before large packages are loaded, and that files left out have a reason."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from label_image.errors import PhotoError, UserError
from label_image.photo_pixels import open_photo
from retrain.data import scan
from retrain.data.scan import few_photo_notes, scan_photos
from retrain.options.options import Options
from retrain.pipeline import settings
from retrain.store.feature_store import Store
from retrain.types import TESTING, TRAINING, VALIDATION, Scan
from tests.conftest import ROOT, SHARED, write_photo

CYAN, PINK = (20, 200, 210), (210, 20, 200)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "bottlenecks")
    yield opened
    opened.close()


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """Three photos of each of two classes."""
    for number in range(3):
        write_photo(tmp_path / "flowers" / "daisy" / f"d{number}.jpg", CYAN, number)
        write_photo(tmp_path / "flowers" / "rose" / f"r{number}.jpg", PINK, number)
    return tmp_path / "flowers"


def scanned(root: Path | str, store: Store, **flags: object) -> Scan:
    return settings.scanned(Options.of(image_dir=str(root), **flags), store, lambda _: None)


def names(result: Scan) -> list[str]:
    return [f"{photo.label}/{photo.name}" for photo in result.photos]


def left_out(result: Scan) -> list[tuple[str, str]]:
    return [(Path(skipped.path).name, skipped.reason) for skipped in result.skipped]


def refusal(root: Path | str, store: Store, **flags: object) -> str:
    with pytest.raises(UserError) as caught:
        scanned(root, store, **flags)
    assert caught.value.exit_status == 2
    return str(caught.value)


# --- what is found


def test_photos_come_by_label_and_name_with_the_digest_of_their_bytes(flowers, store):
    result = scanned(flowers, store)
    assert names(result) == [
        "daisy/d0.jpg",
        "daisy/d1.jpg",
        "daisy/d2.jpg",
        "rose/r0.jpg",
        "rose/r1.jpg",
        "rose/r2.jpg",
    ]
    assert (result.labels, result.skipped, result.notes) == (("daisy", "rose"), (), ())
    for photo in result.photos:
        assert photo.sha256 == hashlib.sha256(Path(photo.path).read_bytes()).hexdigest()


def test_the_originals_line_is_said_for_each_class(flowers, store):
    said: list[str] = []
    scan_photos(str(flowers), store, said.append)
    assert said == ["Looking for images in 'daisy'", "Looking for images in 'rose'"]


@pytest.mark.parametrize("typed", ["flowers", "flowers/", "./flowers", "./flowers/"])
def test_a_photos_path_is_the_folder_as_typed_and_the_names(flowers, store, monkeypatch, typed):
    monkeypatch.chdir(flowers.parent)
    assert scanned(typed, store).photos[0].path == f"{typed.rstrip('/')}/daisy/d0.jpg"


def test_the_content_decides_and_not_the_suffix(flowers, store):
    picture = Image.open(flowers / "daisy" / "d0.jpg")
    with picture:
        for name, form in {"a.txt": "PNG", "b": "WEBP", "c.jpg": "BMP", "d.JPEG": "GIF", "e.png": "TIFF"}.items():
            picture.save(flowers / "rose" / name, form)
    assert [name for name in names(scanned(flowers, store)) if "/r" not in name[4:]][3:] == [
        "rose/a.txt", "rose/b", "rose/c.jpg", "rose/d.JPEG", "rose/e.png",
    ]  # fmt: skip


def test_hidden_files_and_junk_are_ignored_without_a_word(flowers, store):
    for name in (".DS_Store", "._d0.jpg", ".hidden.jpg", "Thumbs.db", "desktop.ini", "ehthumbs.db"):
        shutil.copy(flowers / "daisy" / "d0.jpg", flowers / "daisy" / name)
    result = scanned(flowers, store, strict=True)
    assert (len(result.photos), result.skipped, result.notes) == (6, (), ())


def test_photos_keep_the_list_that_their_folder_names(tmp_path, store):
    for number, part in enumerate(("train", "val", "test")):
        for label in ("cat", "dog"):
            write_photo(tmp_path / "pets" / part / label / "1.jpg", CYAN, 10 * number + len(label))
    result = scanned(tmp_path / "pets", store)
    assert [photo.given for photo in result.photos] == [TESTING, TRAINING, VALIDATION] * 2
    assert names(result) == ["cat/1.jpg"] * 3 + ["dog/1.jpg"] * 3


def test_legacy_labels_change_the_label_and_not_the_path(flowers, store):
    (flowers / "daisy").rename(flowers / "Ox-Eye_Daisy")
    photo = scanned(flowers, store, legacy_labels=True).photos[0]
    assert (photo.label, Path(photo.path).parent.name) == ("ox eye daisy", "Ox-Eye_Daisy")


def test_nothing_heavy_is_loaded(flowers, tmp_path):
    code = (
        "import sys; from pathlib import Path; from retrain.data.scan import scan_photos; from retrain.store.feature_store import Store;"
        "from retrain.data.split import Percentages, split_photos; from retrain.options.options import Options; Options.of(image_dir=sys.argv[1]);"
        "split_photos(scan_photos(sys.argv[1], Store(Path(sys.argv[2])), print), Percentages());"
        "print({'tensorflow', 'keras', 'ai_edge_litert'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(flowers), str(tmp_path / "store")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["set()"], done.stderr


# --- what is left out


def test_what_is_unreadable_is_left_out_with_its_file_and_reason(flowers, store):
    (flowers / "daisy" / "notes.txt").write_text("bought in May")
    (flowers / "daisy" / "empty.jpg").touch()
    (flowers / "rose" / "cut.jpg").write_bytes((flowers / "rose" / "r0.jpg").read_bytes()[:100])
    (flowers / "rose" / "iphone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    result = scanned(flowers, store)
    assert left_out(result)[:3] == [("empty.jpg", "empty file"), ("notes.txt", "a text file"), ("cut.jpg", "cut short")]
    assert left_out(result)[3][0] == "iphone.heic"
    assert len(result.photos) == 6


def test_strict_stops_instead_and_names_the_file_and_the_reason(flowers, store):
    (flowers / "daisy" / "notes.txt").write_text("bought in May")
    assert refusal(flowers, store, strict=True) == (
        f"cannot use {flowers}/daisy/notes.txt (a text file: 'bought in May'); repair or remove it, or leave out --strict"
    )


def test_a_class_of_unreadable_files_is_one_line_with_the_reasons_counted(flowers, store):
    for photo in (flowers / "rose").iterdir():
        photo.write_text("gone")
    (flowers / "rose" / "empty.jpg").touch()
    assert refusal(flowers, store) == (
        f"cannot train the class 'rose': no photo in {flowers}/rose, 4 other files (3 x a text file, 1 x empty file); add photos or remove the folder"
    )


def test_files_in_deeper_folders_are_counted_and_said(flowers, store):
    write_photo(flowers / "daisy" / "old.jpg" / "1.jpg", CYAN, 9)
    write_photo(flowers / "daisy" / "more" / "1.jpg", CYAN, 9)
    (flowers / "daisy" / "more" / ".DS_Store").touch()
    (flowers / "daisy" / "more" / "deeper").mkdir()
    result = scanned(flowers, store)
    assert result.notes == (
        f"2 files in sub-folders of {flowers}/daisy are not read; only files directly in daisy/ are (--nested=parts reads both)",
    )
    assert len(result.photos) == 6


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_pipes_and_sockets_are_left_out_and_never_opened(flowers, store, monkeypatch):
    os.mkfifo(flowers / "daisy" / "pipe.jpg")  # to open it would wait for ever
    monkeypatch.chdir(flowers / "rose")  # a socket's path is 107 bytes at most
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
        result = scanned(flowers, store)
    assert left_out(result) == [("pipe.jpg", "not a file"), ("socket.jpg", "not a file")]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices as files on this system")
def test_a_link_to_a_device_is_left_out(flowers, store):
    (flowers / "daisy" / "endless.jpg").symlink_to("/dev/zero")
    assert left_out(scanned(flowers, store)) == [("endless.jpg", "not a file")]


def test_photos_that_may_not_be_read_are_left_out_one_by_one(flowers, store, monkeypatch):
    def refuse(path):
        if path.endswith("d1.jpg"):
            raise PhotoError("no permission", "the file may not be read")
        return real(path)

    real = open_photo
    monkeypatch.setattr(scan, "open_photo", refuse)
    assert left_out(scanned(flowers, store)) == [("d1.jpg", "no permission")]


def test_a_photo_that_vanishes_or_fails_while_it_is_hashed_is_left_out(flowers, store, monkeypatch):
    def broken(path):
        raise FileNotFoundError(2, "No such file") if path.endswith("d0.jpg") else OSError(5, "Input/output error")

    monkeypatch.setattr(
        scan, "file_digest", lambda path: broken(path) if path.endswith(("d0.jpg", "r0.jpg")) else "ab" * 32
    )
    assert left_out(scanned(flowers, store)) == [("d0.jpg", "not found"), ("r0.jpg", "unreadable")]


def test_a_deeper_folder_that_may_not_be_read_is_nobodys_trouble(flowers, store, monkeypatch):
    (flowers / "daisy" / "locked").mkdir()
    real = os.scandir

    def scandir(folder):
        if folder.endswith("locked"):
            raise PermissionError(13, "Permission denied", folder)
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    assert len(scanned(flowers, store).photos) == 6


# --- links


def test_links_in_circles_are_ignored_without_a_word(flowers, store):
    (flowers / "daisy" / "me.jpg").symlink_to("me.jpg")
    (flowers / "daisy" / "there.jpg").symlink_to("back.jpg")
    (flowers / "daisy" / "back.jpg").symlink_to("there.jpg")
    (flowers / "daisy" / "up").symlink_to("..")
    (flowers / "again").symlink_to(".")
    result = scanned(flowers, store, strict=True)
    assert (len(result.photos), result.skipped, result.notes) == (6, (), ())


def test_a_link_to_nothing_is_left_out(flowers, store):
    (flowers / "daisy" / "lost.jpg").symlink_to("missing.jpg")
    assert left_out(scanned(flowers, store)) == [("lost.jpg", "not found")]


@pytest.mark.parametrize("name", ["a.jpg", "z.jpg"])  # before and after the file itself
@pytest.mark.parametrize("target", ["d0.jpg", "../rose/r0.jpg"])
def test_a_file_and_a_link_to_it_count_once_and_the_file_is_the_one(flowers, store, name, target):
    (flowers / "daisy" / name).symlink_to(target)
    result = scanned(flowers, store, strict=True)  # it can be read, so --strict has nothing against it
    assert left_out(result) == [(name, "the same file again")]
    assert len(result.photos) == 6


def test_links_to_photos_kept_elsewhere_are_photos_and_each_counts_once(flowers, store, tmp_path):
    pool = write_photo(tmp_path / "pool" / "1234.jpg", CYAN, 99)
    for name in ("x.jpg", "y.jpg"):
        (flowers / "daisy" / name).symlink_to(pool)
    result = scanned(flowers, store)
    assert "daisy/x.jpg" in names(result)
    assert left_out(result) == [("y.jpg", "the same file again")]


def test_a_class_that_is_a_link_to_another_class_is_refused(flowers, store):
    (flowers / "tulip").symlink_to("rose")
    assert "3 x the same file again" in refusal(flowers, store)


# --- names


def test_a_photos_name_that_is_not_utf8_is_no_reason_to_stop(flowers, store):
    name = os.fsdecode(b"caf\xe9.jpg")
    try:
        shutil.copy(flowers / "daisy" / "d0.jpg", flowers / "daisy" / name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert [len(scanned(flowers, store).photos) for _ in range(2)] == [7, 7]


def test_a_place_whose_name_is_not_utf8_is_no_reason_to_stop(flowers, store):
    place = flowers.parent / os.fsdecode(b"f\xfc")
    try:
        flowers.rename(place)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert [len(scanned(place, store).photos) for _ in range(2)] == [6, 6]


@pytest.mark.parametrize(
    "name", ["a b.jpg", "100%.jpg", "'; DROP TABLE file;--.jpg", "new\nline.jpg", "ünïcödé 猫.jpg", "-rf"]
)
def test_odd_names_are_names(flowers, store, name):
    write_photo(flowers / "daisy" / name, CYAN, 77)
    for _ in range(2):
        assert f"daisy/{name}" in names(scanned(flowers, store))


# --- the second time


def test_a_second_scan_opens_no_photo(flowers, store, monkeypatch):
    first = scanned(flowers, store)
    monkeypatch.setattr(scan, "open_photo", lambda path: pytest.fail(f"{path} was opened"))
    monkeypatch.setattr(scan, "file_digest", lambda path: pytest.fail(f"{path} was read"))
    assert scanned(flowers, store) == first


def test_a_scan_from_another_place_knows_the_photos_too(flowers, store, monkeypatch):
    scanned(flowers, store)
    monkeypatch.setattr(scan, "open_photo", lambda path: pytest.fail(f"{path} was opened"))
    monkeypatch.chdir(flowers)
    assert len(scanned(".", store).photos) == 6


def test_only_what_is_new_or_changed_is_opened_again(flowers, store, monkeypatch):
    scanned(flowers, store)
    write_photo(flowers / "daisy" / "new.jpg", CYAN, 50)
    write_photo(flowers / "daisy" / "d0.jpg", CYAN, 51)
    os.utime(flowers / "rose" / "r0.jpg", ns=(1, 1))
    opened = []
    real = open_photo
    monkeypatch.setattr(scan, "open_photo", lambda path: (opened.append(Path(path).name), real(path))[1])
    result = scanned(flowers, store)
    assert sorted(opened) == ["d0.jpg", "new.jpg", "r0.jpg"]
    changed = next(photo for photo in result.photos if photo.name == "d0.jpg")
    assert changed.sha256 == hashlib.sha256((flowers / "daisy" / "d0.jpg").read_bytes()).hexdigest()


def test_a_photo_that_was_good_and_is_broken_now_is_left_out(flowers, store):
    scanned(flowers, store)
    (flowers / "daisy" / "d0.jpg").write_text("overwritten")
    assert left_out(scanned(flowers, store)) == [("d0.jpg", "a text file")]


def test_a_broken_file_is_not_remembered_as_a_photo(flowers, store):
    (flowers / "daisy" / "bad.jpg").write_text("no picture")
    assert left_out(scanned(flowers, store)) == left_out(scanned(flowers, store)) == [("bad.jpg", "a text file")]


def test_what_was_hashed_before_ctrl_c_is_kept(flowers, store, monkeypatch):
    real = open_photo

    def stop_at_third(path):
        if path.endswith("d2.jpg"):
            raise KeyboardInterrupt
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(scan, "open_photo", stop_at_third)
        with pytest.raises(KeyboardInterrupt):
            scanned(flowers, store)
    assert set(store.files(flowers / "daisy")) == {"d0.jpg", "d1.jpg"}


# --- size


def test_ten_thousand_known_photos_are_scanned_in_a_moment(tmp_path, store, monkeypatch):
    for label in ("a", "b"):
        folder = tmp_path / "many" / label
        folder.mkdir(parents=True)
        for number in range(5000):
            (folder / f"{number}.jpg").touch()
    monkeypatch.setattr(scan, "open_photo", lambda _: Image.new("1", (1, 1)))
    monkeypatch.setattr(scan, "file_digest", lambda path: hashlib.sha256(path.encode()).hexdigest())
    scanned(tmp_path / "many", store)
    start = time.process_time()
    assert len(scanned(tmp_path / "many", store).photos) == 10_000
    assert time.process_time() - start < 5  # 0.3 s on an idle machine; quadratic code takes minutes


# --- notes


def test_few_photos_are_warned_of_in_the_originals_words(flowers, store):
    for number in range(3, 20):
        write_photo(flowers / "rose" / f"r{number}.jpg", PINK, number)
    assert few_photo_notes(scanned(flowers, store)) == [
        "WARNING: Folder has less than 20 images, which may cause issues. (daisy: 3)"
    ]


# --- real files


@pytest.mark.shared
def test_the_torture_folder_is_scanned_with_a_reason_for_each_file_left_out(flowers, store, shared_data):
    (flowers / "torture").symlink_to(shared_data / "torture")
    result = scanned(flowers, store)
    files = {path.name for path in (shared_data / "torture").iterdir() if not path.name.startswith(".")}
    photos = {photo.name for photo in result.photos if photo.label == "torture"}
    bad = {Path(skipped.path).name for skipped in result.skipped}
    assert photos | bad == files
    assert not photos & bad
    assert all(skipped.reason for skipped in result.skipped)
    assert Counter(skipped.reason for skipped in result.skipped)["empty file"] == 2


@pytest.mark.shared
def test_the_flower_photos_have_the_digests_of_their_list(store, shared_data):
    lines = (shared_data / "flower_photos.sha256").read_text().splitlines()
    expected = {line.split(maxsplit=1)[1]: line.split()[0] for line in lines}
    result = scanned(SHARED / "data" / "flower_photos", store, strict=True)
    assert {f"{photo.label}/{photo.name}": photo.sha256 for photo in result.photos} == expected
    assert result.notes == ()


@pytest.mark.parametrize("nested", ["parts", "groups"])
def test_photos_of_nested_folders_are_of_their_class_and_a_folder_without_any_is_no_error(tmp_path, store, nested):
    for label in ("cat", "dog"):
        for part in ("a", "b"):
            for number in range(2):
                write_photo(
                    tmp_path / "photos" / label / part / f"{number}.jpg", CYAN, len(label + part) + number + ord(part)
                )
    (tmp_path / "photos/cat/a/bad.jpg").write_bytes(b"text")
    (tmp_path / "photos/dog/empty").mkdir()
    write_photo(tmp_path / "photos/dog/b/deep/9.jpg", CYAN, 99)
    result = scanned(tmp_path / "photos", store, nested=nested)
    labels = [photo.label for photo in result.photos]
    assert (labels.count("cat"), labels.count("dog")) == ((4, 5) if nested == "parts" else (0, 0))
    assert (labels.count("a"), labels.count("b")) == ((0, 0) if nested == "parts" else (4, 4))
    assert [Path(skipped.path).name for skipped in result.skipped] == ["bad.jpg"]
    said = [note for note in result.notes if "sub-folders" in note]
    assert len(said) == (nested == "groups")  # what parts leave nothing of


def test_a_class_of_parts_without_a_photo_is_refused(tmp_path, store):
    write_photo(tmp_path / "photos/cat/a/1.jpg", CYAN, 1)
    (tmp_path / "photos/dog/a").mkdir(parents=True)
    (tmp_path / "photos/dog/a/1.jpg").write_bytes(b"text")
    with pytest.raises(UserError, match="cannot train the class 'dog': no photo in .*/dog/a, 1 other files"):
        scanned(tmp_path / "photos", store, nested="parts")
