"""IDX files: every pixel, and what is broken."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from label_image.errors import RunError, UserError
from retrain.convert import mnist
from retrain.convert.cli import convert
from tests.conftest import SHARED


def digits(count):
    """`count` pictures of 28 x 28 pixels, each another, and their labels 0, 1, 2 and so on."""
    pixels = np.random.default_rng(count).integers(0, 256, (count, 784), np.uint8)
    return [row.tobytes() for row in pixels], [number % 10 for number in range(count)]


def write_pair(folder, name, pixels, labels, *, cut=0, form="{}-{}-idx{}-ubyte", packed=False, sizes=(28, 28)):
    """Writes a pair of IDX files as their description says; `cut` bytes are left out at the pictures' end."""
    folder.mkdir(exist_ok=True)
    images = struct.pack(">4I", 0x803, len(pixels), *sizes) + b"".join(pixels)
    for kind, sides, data in (
        ("images", 3, images[: len(images) - cut]),
        ("labels", 1, struct.pack(">2I", 0x801, len(labels)) + bytes(labels)),
    ):
        path = folder / form.format(name, kind, sides)
        path.write_bytes(gzip.compress(data) if packed else data)
    return folder


def contents(folder):
    """Path -> (mode, pixels) of each picture."""
    found = {}
    for path in sorted(folder.rglob("*.png")):
        with Image.open(path) as image:
            found[path.relative_to(folder).as_posix()] = (image.mode, image.tobytes())
    return found


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", ["{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte", "emnist-digits-{}-{}-idx{}-ubyte"])
def test_both_lists_come_out_pixel_by_pixel_whatever_the_files_are_called(tmp_path, form, packed):
    form += ".gz" if packed else ""
    train, test = digits(12), digits(11)
    write_pair(tmp_path / "in", "train", *train, form=form, packed=packed)
    write_pair(tmp_path / "in", "test" if "emnist" in form else "t10k", *test, form=form, packed=packed)
    convert("mnist", tmp_path / "in", tmp_path / "out")
    stem = form.split("{}")[0]
    expected = {
        f"train/{label}/{stem}train_{number:02d}.png": ("L", pixels)
        for number, (pixels, label) in enumerate(zip(*train, strict=True))
    }
    name = "test" if "emnist" in form else "t10k"
    expected |= {
        f"test/{label}/{stem}{name}_{number:02d}.png": ("L", pixels)
        for number, (pixels, label) in enumerate(zip(*test, strict=True))
    }
    assert contents(tmp_path / "out") == expected


def test_one_file_means_its_pair_and_has_no_lists(tmp_path):
    pixels, labels = digits(4)
    write_pair(tmp_path / "in", "train", *digits(5))
    write_pair(tmp_path / "in", "t10k", pixels, labels)
    convert("mnist", tmp_path / "in/t10k-images-idx3-ubyte", tmp_path / "out")
    assert list(contents(tmp_path / "out")) == [f"{number}/t10k_{number}.png" for number in range(4)]


def test_pictures_need_not_be_square_and_labels_may_be_letters(tmp_path):
    write_pair(tmp_path / "in", "train", [bytes(range(6)), bytes(6)], [26, 3], sizes=(2, 3))
    convert("mnist", tmp_path / "in", tmp_path / "out")
    with Image.open(tmp_path / "out/26/train_0.png") as image:
        assert np.asarray(image).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_file_and_its_packed_twin_are_one(tmp_path):
    write_pair(tmp_path / "in", "train", *digits(3))
    write_pair(tmp_path / "in", "train", *digits(3), form="{}-{}-idx{}-ubyte.gz", packed=True)
    assert mnist.read(tmp_path / "in").total == 3


def broken(tmp_path, error, part):
    with pytest.raises(error, match=part) as caught:
        convert("mnist", tmp_path / "in", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    return caught.value.exit_status


def test_what_is_no_data_set_is_said(tmp_path):
    (tmp_path / "in").mkdir()
    assert broken(tmp_path, UserError, "no IDX files") == 2
    write_pair(tmp_path / "in", "train", *digits(3))
    (tmp_path / "in/train-labels-idx1-ubyte").rename(tmp_path / "labels")
    assert broken(tmp_path, UserError, "without its labels: put train-labels-idx1-ubyte beside it") == 2
    (tmp_path / "labels").rename(tmp_path / "in/train-labels-idx1-ubyte")
    write_pair(tmp_path / "in", "emnist-letters-train", *digits(3))
    assert broken(tmp_path, UserError, "more than one data set") == 2


@pytest.mark.parametrize("packed", [False, True])
def test_a_count_that_differs_is_said_before_a_picture_is_written(tmp_path, packed):
    pixels, labels = digits(5)
    write_pair(tmp_path / "in", "train", pixels, labels[:-1], packed=packed)
    assert broken(tmp_path, RunError, "contains 5 pictures, .* 4 labels") == 1


def test_another_file_of_that_name_is_said(tmp_path):
    write_pair(tmp_path / "in", "train", *digits(5))
    path = tmp_path / "in/train-images-idx3-ubyte"
    whole = path.read_bytes()
    for data, part in (
        (b"<html>not here</html>", "begins with 0x3c68746d"),
        (b"", "begins with nothing"),
        (whole[:10], "its header is incomplete"),
        (whole + b"x", "contains more than the 5"),
        (whole[:-1], "incomplete, with 4 of 5"),
        (struct.pack(">4I", 0x803, 5, 0, 28), "0 x 28 pixels"),
        (struct.pack(">4I", 0x803, 5, 1 << 31, 1 << 31), "2147483648 x 2147483648 pixels"),
    ):
        path.write_bytes(data)
        assert broken(tmp_path, RunError, part) == 1


@pytest.mark.parametrize("kind", ["images-idx3", "labels-idx1"])
def test_a_packed_file_that_is_cut_or_damaged_is_named(tmp_path, kind):
    write_pair(tmp_path / "in", "train", *digits(50), packed=True)
    path = tmp_path / f"in/train-{kind}-ubyte"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert broken(tmp_path, RunError, f"{kind}-ubyte: it is (damaged|incomplete)") == 1
    path.write_bytes(whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:])  # its checksum
    assert broken(tmp_path, RunError, f"{kind}-ubyte: it is damaged") == 1


@pytest.mark.shared
def test_the_10000_real_test_digits_are_equal_pixel_by_pixel(tmp_path):
    source = SHARED / "data/mnist"
    convert("mnist", source / "t10k-images-idx3-ubyte.gz", tmp_path / "out")
    pixels = np.frombuffer(gzip.decompress((source / "t10k-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    labels = np.frombuffer(gzip.decompress((source / "t10k-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8)
    found = contents(tmp_path / "out")
    assert len(found) == len(labels) == 10_000
    for number, (picture, label) in enumerate(zip(pixels.reshape(-1, 784), labels, strict=True)):
        assert found[f"{label}/t10k_{number:04d}.png"] == ("L", picture.tobytes())
