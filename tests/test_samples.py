"""The drawn flowers: the same bytes each time, a folder that is whole, and nobody's photos lost."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from label_image.errors import UserError
from retrain import samples
from retrain.data.drawn_flowers import LABELS, draw
from retrain.samples import MARKER, write_samples

ROOT = Path(__file__).resolve().parent.parent


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def command(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "retrain.samples", *words]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder of three pictures of each kind; tests only read it."""
    folder = tmp_path_factory.mktemp("samples") / "flowers"
    write_samples(folder, 3, 0)
    return folder


def test_there_are_the_five_kinds_of_the_flower_photos():
    assert LABELS == ("daisy", "dandelion", "roses", "sunflowers", "tulips")


@pytest.mark.parametrize("label", LABELS)
def test_a_picture_is_rgb_and_320_by_240_and_not_a_plain_sheet(label):
    picture = draw(label, 1)
    assert (picture.mode, picture.size) == ("RGB", (320, 240))
    assert max(ImageStat.Stat(picture).stddev) > 10


@pytest.mark.parametrize("label", LABELS)
def test_a_picture_is_the_same_bytes_each_time_it_is_drawn(label):
    assert draw(label, 7).tobytes() == draw(label, 7).tobytes()


def test_a_picture_does_not_depend_on_what_was_drawn_before_it():
    alone = draw("tulips", 2)
    draw("roses", 1)
    assert draw("tulips", 2).tobytes() == alone.tobytes()


def test_number_label_and_seed_each_change_the_picture():
    pictures = [draw("daisy", number) for number in range(12)] + [draw("daisy", 0, seed=1), draw("roses", 0)]
    assert len({picture.tobytes() for picture in pictures}) == 14


def test_pictures_of_one_kind_differ_in_more_than_noise():
    # The grain of a picture is at most 40 of 255 levels wide: two that share all else differ by less than 40 / 2.
    one, other = draw("sunflowers", 1), draw("sunflowers", 2)
    assert ImageStat.Stat(ImageChops.difference(one, other).convert("L")).mean[0] > 20


def test_draw_refuses_a_kind_it_does_not_know():
    with pytest.raises(UserError, match=r"cannot draw 'lily': .* choose from daisy, dandelion"):
        draw("lily", 1)


def test_the_folder_holds_each_kind_counted_from_one_and_the_marker(drawn):
    expected = {f"{label}/{label}_{number}.jpg" for label in LABELS for number in ("001", "002", "003")}
    assert set(contents(drawn)) == expected | {MARKER}


def test_the_files_are_whole_jpeg_pictures(drawn):
    for path in drawn.glob("*/*.jpg"):
        with Image.open(path) as picture:
            picture.load()
            assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (320, 240))


def test_a_file_is_the_picture_of_its_own_name(drawn):
    with Image.open(drawn / "roses" / "roses_002.jpg") as saved:
        difference = ImageChops.difference(saved, draw("roses", 2))
    assert max(ImageStat.Stat(difference).mean) < 12  # JPEG loses some of the grain


def test_the_returned_paths_are_the_pictures(tmp_path):
    written = write_samples(tmp_path / "flowers", 3, 0)
    assert sorted(written) == sorted((tmp_path / "flowers").glob("*/*.jpg"))
    assert written[0] == tmp_path / "flowers" / "daisy" / "daisy_001.jpg"


def test_two_folders_with_the_same_seed_hold_the_same_bytes(drawn, tmp_path):
    write_samples(tmp_path / "again", 3, 0)
    assert contents(tmp_path / "again") == contents(drawn)


def test_another_seed_draws_other_pictures_under_the_same_names(drawn, tmp_path):
    write_samples(tmp_path / "other", 3, 1)
    first, second = contents(drawn), contents(tmp_path / "other")
    assert set(first) == set(second)
    assert all(first[name] != second[name] for name in first if name != MARKER)


def test_more_pictures_leave_the_first_ones_as_they_were(drawn, tmp_path):
    write_samples(tmp_path / "more", 4, 0)
    more = contents(tmp_path / "more")
    assert len(more) == 5 * 4 + 1
    assert contents(drawn).items() <= more.items()


def test_its_own_folder_is_replaced_as_a_whole(tmp_path):
    out = tmp_path / "flowers"
    write_samples(out, 4, 1)
    (out / "daisy" / ".DS_Store").write_bytes(b"left by a file manager")
    write_samples(out, 3, 0)
    assert len(contents(out)) == 5 * 3 + 1
    assert [path.name for path in tmp_path.iterdir()] == ["flowers"]


def test_an_empty_folder_is_filled(tmp_path):
    out = tmp_path / "flowers"
    out.mkdir()
    write_samples(out, 3, 0)
    assert len(contents(out)) == 5 * 3 + 1


@pytest.mark.parametrize("name", ["daisy/mine.jpg", "daisy/daisy_001.jpg", "notes.txt"])
def test_a_folder_of_somebody_else_is_refused_and_left_untouched(tmp_path, name):
    mine = tmp_path / "photos" / name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(UserError, match=rf"found '{name.split('/')[0]}', which was not drawn here; .*--out="):
        write_samples(tmp_path / "photos", 3, 0)
    assert contents(tmp_path) == {f"photos/{name}": b"mine"}


@pytest.mark.parametrize("name", ["daisy/holiday.jpg", "daisy/roses_001.jpg", "lilies/lily.jpg", "notes.txt"])
def test_photos_added_to_a_drawn_folder_are_not_lost(tmp_path, name):
    out = tmp_path / "flowers"
    write_samples(out, 3, 0)
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_bytes(b"mine")
    before = contents(tmp_path)
    with pytest.raises(UserError, match="which was not drawn here"):
        write_samples(out, 3, 0)
    assert contents(tmp_path) == before


def test_a_file_in_the_place_of_the_folder_is_refused_and_left_untouched(tmp_path):
    (tmp_path / "flowers").write_bytes(b"mine")
    with pytest.raises(UserError, match="found 'flowers', which was not drawn here"):
        write_samples(tmp_path / "flowers", 3, 0)
    assert contents(tmp_path) == {"flowers": b"mine"}


def test_the_folder_one_stands_in_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="the current folder"):
        write_samples(Path(), 3, 0)
    assert contents(tmp_path) == {}


def test_a_crash_on_the_way_leaves_the_old_folder(tmp_path, monkeypatch):
    def broken(label, number, seed):
        raise OSError(28, "No space left on device")

    out = tmp_path / "flowers"
    write_samples(out, 3, 0)
    before = contents(tmp_path)
    monkeypatch.setattr(samples, "draw", broken)
    with pytest.raises(OSError, match="No space left"):
        write_samples(out, 3, 1)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("count", [2, 0, -1])
def test_too_few_pictures_for_three_lists_are_refused(tmp_path, count):
    with pytest.raises(UserError, match=rf"cannot draw {count} of each kind: .*--count=3"):
        write_samples(tmp_path / "flowers", count, 0)
    assert contents(tmp_path) == {}


def test_the_command_says_what_it_drew_and_what_to_type_next(drawn, tmp_path):
    out = tmp_path / "my flowers"
    done = command("--out", str(out), "--count", "3")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"15 pictures, 3 each of daisy, dandelion, roses, sunflowers, tulips, in {out}",
        "these pictures are for trying the tool; accuracy on them does not predict accuracy on photos",
        f"next: python -m retrain --image_dir '{out.as_posix()}'",
    ]
    assert contents(out) == contents(drawn)  # another process, another hash seed, the same bytes


def test_the_command_has_a_help_that_names_its_defaults():
    done = command("--help")
    assert done.returncode == 0
    for words in ("--out", "--count", "--seed", "tf_files/flowers", "default: 40", "default: 0"):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--count", "many"], "--count=many is not a whole number"),
        (["--count", "2"], "cannot draw 2 of each kind"),
        (["--colour", "red"], "unknown flag --colour"),
        (["--out", "mine"], "cannot draw in mine: found 'photo.jpg', which was not drawn here"),
    ],
)
def test_a_mistake_gets_one_line_and_exit_status_2(tmp_path, monkeypatch, words, complaint):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_bytes(b"mine")
    done = command(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"retrain.samples: {complaint}")
    assert done.stderr.count("\n") == 1
    assert contents(tmp_path) == {"mine/photo.jpg": b"mine"}


def test_a_folder_that_can_not_be_written_gets_one_line_and_exit_status_1(tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    out = tmp_path / "file" / "flowers"
    done = command("--out", str(out), "--count", "3")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"retrain.samples: cannot write {out}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_usual_folder_of_200_is_drawn_in_a_minute(tmp_path):
    started = time.process_time()
    write_samples(tmp_path / "flowers", 40, 0)
    assert time.process_time() - started < 60  # about 5 s on one slow core
