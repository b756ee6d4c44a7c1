"""Photos into a folder a label, and nothing lost."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from label_image import sorting
from label_image.errors import PhotoError, RunError
from label_image.process_mark import mark
from label_image.sorting import Sorter, folder_names, safe_name

LABELS = ("daisy", "rose")


def photo(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(params=["links", "no links"])
def disk(request, monkeypatch):
    """Disks with hard links and disks without, such as a FAT stick."""

    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)


def test_a_photo_is_copied_into_the_folder_of_its_label(tmp_path, disk):
    source = photo(tmp_path / "a.jpg")
    os.utime(source, (1, 1_000_000))
    placed = Sorter(tmp_path / "out", LABELS).put(source, "a.jpg", "rose")
    assert (placed.how, Path(placed.path)) == ("copied", tmp_path / "out/rose/a.jpg")
    assert Path(placed.path).read_text() == source.read_text() == "x"
    assert Path(placed.path).stat().st_mtime == 1_000_000
    assert not Path(placed.path).samefile(source)


def test_a_photo_is_moved_when_that_was_asked(tmp_path, disk):
    source = photo(tmp_path / "a.jpg")
    assert Sorter(tmp_path / "out", LABELS, move=True).put(source, "a.jpg", "rose").how == "moved"
    assert files(tmp_path) == ["out/rose/a.jpg"]


def test_nothing_is_written_over(tmp_path, disk):
    sorter = Sorter(tmp_path / "out", LABELS)
    for number in range(3):
        sorter.put(photo(tmp_path / f"{number}/a.jpg", str(number)), "a.jpg", "rose")
    assert files(tmp_path / "out") == ["rose/a.jpg", "rose/a_2.jpg", "rose/a_3.jpg"]
    assert [(tmp_path / "out/rose" / name).read_text() for name in ("a.jpg", "a_2.jpg", "a_3.jpg")] == ["0", "1", "2"]


def test_the_same_photo_is_not_put_there_twice(tmp_path, disk):
    for _ in range(2):  # a second run
        sorter = Sorter(tmp_path / "out", LABELS)
        hows = [sorter.put(photo(tmp_path / str(n) / "a.jpg", str(n)), "a.jpg", "rose").how for n in (0, 1)]
    assert hows == ["already there", "already there"]
    assert files(tmp_path / "out") == ["rose/a.jpg", "rose/a_2.jpg"]


def test_moving_leaves_a_photo_whose_like_is_there_already(tmp_path):
    photo(tmp_path / "out/rose/a.jpg")
    source = photo(tmp_path / "a.jpg")
    assert Sorter(tmp_path / "out", LABELS, move=True).put(source, "a.jpg", "rose").how == "already there"
    assert source.exists()


def test_a_photo_that_lies_in_its_place_stays(tmp_path):
    source = photo(tmp_path / "rose/a.jpg")
    assert Sorter(tmp_path, LABELS, move=True).put(source, str(source), "rose").how == "already there"
    assert files(tmp_path) == ["rose/a.jpg"]


def test_a_link_is_sorted_as_the_photo_it_leads_to(tmp_path, disk):
    target = photo(tmp_path / "real.jpg")
    (tmp_path / "link.jpg").symlink_to("real.jpg")
    placed = Sorter(tmp_path / "out", LABELS, move=True).put(tmp_path / "link.jpg", "link.jpg", "rose")
    assert not Path(placed.path).is_symlink()
    assert Path(placed.path).read_text() == "x"
    assert target.exists()
    assert not (tmp_path / "link.jpg").is_symlink()


def test_a_photo_without_a_sure_label_goes_to_its_own_folder(tmp_path):
    Sorter(tmp_path / "out", LABELS).put(photo(tmp_path / "a.jpg"), "a.jpg", None)
    assert files(tmp_path / "out") == ["_unsure/a.jpg"]


def test_labels_never_lead_out_of_the_folder(tmp_path):
    labels = ("../../etc", "..", ".", "", "a/b", "/root", "c\\d", "nul", ".hidden", "x\0y", "z" * 400, "é" * 400)
    sorter = Sorter(tmp_path / "in/out", labels)
    for label in labels:
        sorter.put(photo(tmp_path / "a.jpg"), "a.jpg", label)
    made = [path for path in (tmp_path / "in/out").rglob("*") if path.is_dir()]
    assert len(made) == len(labels)
    assert {path.parent for path in made} == {tmp_path / "in/out"}
    assert not any(path.name.startswith(".") for path in made)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "in"]


def test_two_labels_never_share_a_folder_and_keep_theirs_whatever_comes_first():
    names = folder_names(["a/b", "a_b", "a:b", "_unsure"])
    assert names == {"a/b": "a_b_2", "a_b": "a_b", "a:b": "a_b_3", "_unsure": "_unsure_2"}


@pytest.mark.parametrize("label", ["daisy", "red rose", "001-Green", "Gänseblümchen", "猫", "a.b", "_x"])
def test_ordinary_labels_are_folders_as_they_are(label):
    assert safe_name(label) == label


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://x.org/p/a%20b.jpg?w=3", "a b.jpg"),
        ("https://x.org/..%2f..%2fetc%00", "etc_"),
        ("https://x.org/", "photo"),
        ("https://x.org", "photo"),
    ],
)
def test_what_is_fetched_is_named_by_the_end_of_its_address(url, name):
    assert sorting.file_name(url) == name


def test_a_photo_that_is_gone_is_said_to_be(tmp_path, disk):
    with pytest.raises(PhotoError, match="not found any more"):
        Sorter(tmp_path / "out", LABELS, move=True).put(tmp_path / "gone.jpg", "gone.jpg", "rose")
    assert files(tmp_path / "out") == []


def test_a_place_that_can_not_be_written_is_one_line_and_the_photo_stays(tmp_path):
    photo(tmp_path / "out/rose")
    source = photo(tmp_path / "a.jpg")
    with pytest.raises(RunError, match=r"cannot put .*a\.jpg into .*rose: .*the photo stays where it is"):
        Sorter(tmp_path / "out", LABELS, move=True).put(source, "a.jpg", "rose")
    assert source.exists()


def test_a_copy_that_is_cut_short_leaves_nothing(tmp_path, monkeypatch):
    def full(source, target):
        Path(target).write_text("ha")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    source = photo(tmp_path / "a.jpg")
    with pytest.raises(RunError, match="No space left on device"):
        Sorter(tmp_path / "out", LABELS).put(source, "a.jpg", "rose")
    assert files(tmp_path) == ["a.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="its folders have no sync")
def test_a_photo_leaves_its_disk_only_when_the_other_has_it(tmp_path, monkeypatch):
    """`--move` across disks: the bytes, then the name, are on the disk before the old name goes."""
    source = photo(tmp_path / "a.jpg")
    done, link, sync, unlink = [], os.link, os.fsync, Path.unlink

    def other_disk(one, two, **more):
        if Path(one) == source:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        link(one, two, **more)

    def synced(descriptor):
        done.append("folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file")
        sync(descriptor)

    def unlinked(path, **more):
        done.append(path.name if path == source else "scratch")
        unlink(path, **more)

    monkeypatch.setattr(os, "link", other_disk)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "unlink", unlinked)
    assert Sorter(tmp_path / "out", LABELS, move=True).put(source, "a.jpg", "rose").how == "moved"
    assert [what for what in done if what != "scratch"] == ["file", "folder", "a.jpg"]
    assert files(tmp_path) == ["out/rose/a.jpg"]


def test_a_disk_that_does_not_take_it_keeps_the_photo_where_it_is(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.EIO, "Input/output error")

    source = photo(tmp_path / "a.jpg")
    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(sorting, "_linked", lambda *_: False)
    with pytest.raises(RunError, match="Input/output error; the photo stays where it is"):
        Sorter(tmp_path / "out", LABELS, move=True).put(source, "a.jpg", "rose")
    assert files(tmp_path) == ["a.jpg"]


def test_what_a_killed_run_left_half_copied_is_cleared(tmp_path):
    pid, start, place = mark().split("-")
    photo(tmp_path / "out/rose" / f".x.{pid}-{int(start) + 1}-{place}.part")
    photo(tmp_path / "out/rose" / f".x.{mark()}.part")
    (tmp_path / "out/rose" / f".heat-x.{pid}-{int(start) + 1}-{place}.part").mkdir()
    Sorter(tmp_path / "out", LABELS).put(photo(tmp_path / "a.jpg"), "a.jpg", "rose")
    assert sorted(path.name for path in (tmp_path / "out/rose").iterdir()) == [f".x.{mark()}.part", "a.jpg"]
