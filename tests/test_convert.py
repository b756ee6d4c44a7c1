"""`python -m retrain.convert`: what it takes, where it writes, and that `python -m retrain` reads what comes out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from label_image.errors import RunError, UserError
from retrain.convert.cli import convert, main
from retrain.convert.image_folder import ImageFolder, check_place
from retrain.convert.source import Picture
from tests.conftest import ROOT, STAND_IN, run_module
from tests.test_convert_mnist import digits, write_pair


def one_line(capsys):
    error = capsys.readouterr().err
    assert error.startswith("convert: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "found 0 words, need 3"),
        (["mnist", "in"], "found 2 words, need 3"),
        (["mnist", "in", "out", "more"], "found 4 words"),
        (["minst", "in", "out"], "did you mean mnist?"),
        (["mnist", "in", "out"], "in: no such file or folder"),
        (["mnist", "in", "out", "--root=x"], "--root is for csv"),
        (["mnist", "in", "out", "--force"], "unknown flag --force"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(words, part, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert part in one_line(capsys)
    assert list(tmp_path.iterdir()) == []


def test_help_says_all_formats_without_loading_numpy_or_pillow(tmp_path):
    code = "import sys\nfrom retrain.convert.cli import main\ntry: main(['--help'])\nfinally: print({'numpy', 'PIL', 'tensorboard'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0
    for word in ("mnist", "cifar10", "tfrecord", "csv", "SRC DST", "--root"):
        assert word in done.stdout
    assert done.stdout.endswith("set()\n")


def test_a_folder_that_holds_something_is_not_touched(tmp_path, capsys):
    write_pair(tmp_path / "in", "train", *digits(3))
    out = tmp_path / "out"
    out.mkdir()
    (out / ".hidden").write_text("mine")
    assert main(["mnist", str(tmp_path / "in"), str(out)]) == 2
    assert "is not empty (found '.hidden')" in one_line(capsys)
    assert (out / ".hidden").read_text() == "mine"


@pytest.mark.parametrize("place", ["in", "in/new", "in/deep/new", "link/new", "in/../link/new"])
def test_a_place_inside_the_folder_that_is_read_is_refused(tmp_path, capsys, place):
    write_pair(tmp_path / "in", "train", *digits(3))
    (tmp_path / "link").symlink_to("in")
    before = sorted(tmp_path.rglob("*"))
    assert main(["mnist", str(tmp_path / "in"), str(tmp_path / place)]) == 2
    assert "it is inside" in one_line(capsys) or place == "in"
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_is_filled_and_what_to_type_next_is_said(tmp_path, capsys):
    write_pair(tmp_path / "in", "train", *digits(3))
    out = tmp_path / "an out"
    out.mkdir()
    assert main(["mnist", str(tmp_path / "in"), str(out)]) == 0
    said = capsys.readouterr()
    assert said.out == f"3 pictures, 3 classes, in {out}\npython -m retrain --image_dir '{out}'\n"
    assert said.err == ""
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png")) == [
        "0/train_0.png", "1/train_1.png", "2/train_2.png",
    ]  # fmt: skip


def test_a_file_and_the_folder_one_is_in_are_no_place(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="a file has that name"):
        check_place(tmp_path / "file")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="the current folder"):
        check_place(tmp_path)


@pytest.mark.parametrize("out", ["new/..", "link", "."])
def test_a_full_folder_by_another_name_is_not_touched(tmp_path, capsys, monkeypatch, out):
    write_pair(tmp_path / "in", "train", *digits(3))
    (tmp_path / "link").symlink_to("in")
    monkeypatch.chdir(tmp_path)
    assert main(["mnist", "in", out]) == 2
    assert "cannot write the folder" in one_line(capsys)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "in",
        "link",
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
    ]


def test_a_place_below_a_file_is_one_line(tmp_path, capsys):
    write_pair(tmp_path / "in", "train", *digits(3))
    assert main(["mnist", str(tmp_path / "in"), str(tmp_path / "in/train-labels-idx1-ubyte/out")]) == 1
    assert "nothing was written" in one_line(capsys)


def test_a_broken_file_leaves_nothing(tmp_path, capsys):
    pixels, labels = digits(30)
    write_pair(tmp_path / "in", "train", pixels, labels, cut=10)
    assert main(["mnist", str(tmp_path / "in"), str(tmp_path / "out")]) == 1
    assert "incomplete, with 29 of 30" in one_line(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_ctrl_c_leaves_nothing(tmp_path):
    write_pair(tmp_path / "in", "train", *digits(20_000))
    process = subprocess.Popen(
        [sys.executable, "-m", "retrain.convert", "mnist", "in", "out"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".out.*/*/*.png")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "convert: stopped; nothing was written\n")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_names_that_are_taken_get_numbers_and_no_picture_is_lost(tmp_path):
    folder = ImageFolder(tmp_path, ())
    for data in (b"1", b"2", b"3"):
        folder.add(Picture("cat", "a.jpg", data))
    folder.add(Picture("cat", "a_2.jpg", b"4"))
    folder.add(Picture("dog", "a.jpg", b"5"))
    found = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.jpg")}
    assert found == {
        "cat/a.jpg": b"1",
        "cat/a_2.jpg": b"2",
        "cat/a_3.jpg": b"3",
        "cat/a_2_2.jpg": b"4",
        "dog/a.jpg": b"5",
    }
    assert folder.counts == {"": 5}


def test_a_hidden_file_gets_a_name_that_retrain_sees(tmp_path):
    ImageFolder(tmp_path, ()).add(Picture("cat", ".a.jpg", b"1"))
    assert (tmp_path / "cat/_.a.jpg").read_bytes() == b"1"


@pytest.mark.parametrize("label", ["..", "", " ", "a/b", "a\\b", "a\nb", ".hidden", "con", "thumbs.db", "x" * 125])
def test_a_label_that_can_not_be_a_folder_is_refused_and_placed(tmp_path, label):
    with pytest.raises(RunError, match="line 7 of x.csv") as caught:
        ImageFolder(tmp_path / "in", ()).add(Picture(label, "a.jpg", b"1", where="line 7 of x.csv"))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.rglob("*")) == []


def test_a_long_label_of_imagenet_and_letters_of_the_world_are_folders(tmp_path):
    labels = [
        "dragonfly, darning needle, devil's darning needle, sewing needle, snake feeder, snake doctor, mosquito hawk, skeeter hawk",
        "Gänseblümchen",
        "ひまわり",
    ]
    folder = ImageFolder(tmp_path, ())
    for label in labels:
        folder.add(Picture(label, "a.jpg", b"1"))
    assert folder.labels == set(labels) == {path.name for path in tmp_path.iterdir()}


def test_labels_that_share_a_folder_on_this_disk_are_refused(tmp_path):
    (tmp_path / "Cat").mkdir()  # what a disk that knows no case says of "cat" where "Cat" is
    with pytest.raises(RunError, match="another label has the same folder"):
        ImageFolder(tmp_path, ()).add(Picture("Cat", "a.jpg", b"1", where="line 2"))


def test_with_two_lists_each_has_its_folder_and_with_one_none(tmp_path):
    for name, lists in (("two", ("train", "test")), ("one", ("test",))):
        (tmp_path / name).mkdir()
        ImageFolder(tmp_path / name, lists).add(Picture("cat", "a.jpg", b"1", "test"))
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*.jpg"))] == [
        "one/cat/a.jpg",
        "two/test/cat/a.jpg",
    ]


def test_something_that_comes_meanwhile_is_not_replaced(tmp_path, monkeypatch):
    write_pair(tmp_path / "in", "train", *digits(3))
    out = tmp_path / "out"
    add = ImageFolder.add

    def and_someone_else(self, picture):
        add(self, picture)
        out.mkdir(exist_ok=True)
        (out / "theirs").write_text("x")

    monkeypatch.setattr(ImageFolder, "add", and_someone_else)
    with pytest.raises(UserError, match="not empty"):
        convert("mnist", tmp_path / "in", out)
    assert [path.name for path in out.iterdir()] == ["theirs"]


def test_retrain_learns_from_grey_pictures_and_keeps_the_official_test_set(tmp_path, model_dir):
    """Dark and light pictures, so that the mean colour tells them apart."""
    for name, count in (("train", 60), ("t10k", 12)):
        labels = [number % 2 for number in range(count)]
        pixels = [
            bytes((60 + 120 * label + (number + place) % 40) for place in range(784))
            for number, label in enumerate(labels)
        ]
        pixels = [row[:-2] + (f"{name}{number}".encode() + b"00")[-2:] for number, row in enumerate(pixels)]
        write_pair(tmp_path / "in", name, pixels, labels)
    convert("mnist", tmp_path / "in", tmp_path / "out")
    done = run_module(
        "retrain", "--image_dir=out", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", "--report=none",
        "--how_many_training_steps=200", "--summaries_dir=", "--export=tflite", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Final test accuracy = 100.0% (N=12)" in done.stdout
    assert "12 for the test" in done.stdout + done.stderr
