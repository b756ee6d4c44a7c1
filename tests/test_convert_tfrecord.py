"""TFRecords: written by TensorFlow, read without it, byte for byte; what is broken."""

from __future__ import annotations

import gzip
import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from label_image.errors import RunError, UserError
from retrain.convert.cli import convert, main
from retrain.formats.event_file import guard
from tests.conftest import ROOT, SHARED

# The parts of an Example on the wire, so that these tests need TensorFlow only where its own files are what is tested.
PHOTO, LABEL, TEXT, NAME = "image/encoded", "image/class/label", "image/class/text", "image/filename"


def varint(number):
    low = number & 0x7F
    return bytes([low]) if number < 128 else bytes([low | 0x80]) + varint(number >> 7)


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def example(**features):
    """A tf.train.Example; each feature is bytes, an int or a list of these."""
    entries = b""
    for name, given in features.items():
        values = given if isinstance(given, list) else [given]
        if isinstance(values[0], int):
            feature = field(3, field(1, b"".join(varint(value) for value in values)))
        else:
            feature = field(1, b"".join(field(1, value) for value in values))
        entries += field(1, field(1, name.encode()) + field(2, feature))
    return field(1, entries)


def record(data):
    length = struct.pack("<Q", len(data))
    return length + guard(length) + data + guard(data)


def photo(number, kind="JPEG"):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (9, 7, 3), np.uint8)).save(file, kind)
    return file.getvalue()


def write(path, *examples):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(record(data) for data in examples))
    return path


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_what_tensorflow_wrote_comes_out_byte_for_byte(tmp_path):
    """As TF-slim's download_and_convert_data.py wrote the flowers: two lists, parts, a labels.txt."""
    from label_image.quiet import tensorflow

    tf = tensorflow()

    def of(number, kind):
        def feature(value):
            if isinstance(value, int):
                return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
            if isinstance(value, float):
                return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

        values = {
            PHOTO: photo(number, kind),
            "image/format": kind.encode(),
            LABEL: number % 2,
            "image/height": 9,
            "score": 0.5,
        }
        features = tf.train.Features(feature={name: feature(value) for name, value in values.items()})
        return tf.train.Example(features=features).SerializeToString()

    (tmp_path / "in").mkdir()
    expected, number = {}, 0
    for which in ("train", "validation"):
        for part in range(2):
            path = tmp_path / f"in/flowers_{which}_0000{part}-of-00002.tfrecord"
            with tf.io.TFRecordWriter(str(path), "GZIP" if part else None) as writer:
                for place in range(5):
                    kind, ending = (("JPEG", "jpg"), ("PNG", "png"))[place % 2]
                    writer.write(of(number, kind))
                    label = ("daisy", "tulips")[number % 2]
                    expected[f"{which}/{label}/{path.name}_{place:06d}.{ending}"] = photo(number, kind)
                    number += 1
    (tmp_path / "in/labels.txt").write_text("0:daisy\n1:tulips\n")
    convert("tfrecord", tmp_path / "in", tmp_path / "out")
    assert files(tmp_path / "out") == expected
    assert len(expected) == 20


@pytest.mark.shared
def test_real_photos_come_out_as_they_went_in(tmp_path):
    originals, examples = {}, []
    for folder in sorted(path for path in (SHARED / "data/flower_photos").iterdir() if path.is_dir()):
        for path in sorted(folder.glob("*.jpg"))[:8]:
            originals[f"{folder.name}/{path.name}"] = path.read_bytes()
            name = f"/data/{folder.name}/{path.name}".encode()
            examples.append(example(**{PHOTO: path.read_bytes(), TEXT: folder.name.encode(), LABEL: 3, NAME: name}))
    convert("tfrecord", write(tmp_path / "in/flowers.tfrecord", *examples), tmp_path / "out")
    assert files(tmp_path / "out") == originals
    assert len(originals) == 40


def test_tensorflow_is_not_imported(tmp_path):
    write(tmp_path / "in.tfrecord", example(**{PHOTO: photo(1), LABEL: 1}))
    code = (
        "import sys; from retrain.convert.cli import main; status = main(['tfrecord', sys.argv[1], sys.argv[2]])\n"
        "print(status, {'tensorflow', 'tensorboard'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "in.tfrecord", tmp_path / "out"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.endswith("0 set()\n"), done.stderr


def test_the_form_of_tensorflow_datasets_is_read_too(tmp_path):
    for which in ("train", "test"):
        write(
            tmp_path / f"in/cifar10-{which}.tfrecord-00000-of-00001", example(image=photo(1, "PNG"), label=7, id=b"x_1")
        )
    (tmp_path / "in/label.labels.txt").write_text("".join(f"thing {number}\n" for number in range(10)))
    (tmp_path / "in/dataset_info.json").write_text("{}")
    convert("tfrecord", tmp_path / "in", tmp_path / "out")
    assert files(tmp_path / "out") == {
        f"{which}/thing 7/cifar10-{which}.tfrecord-00000-of-00001_000000.png": photo(1, "PNG")
        for which in ("train", "test")
    }


@pytest.mark.parametrize(
    ("features", "labels", "expected"),
    [
        ({LABEL: 1, TEXT: b"tulips"}, "", "tulips"),
        ({LABEL: 1, TEXT: b""}, "", "1"),
        ({TEXT: "Gänseblümchen".encode()}, "", "Gänseblümchen"),
        ({LABEL: 1, TEXT: b"n02084071"}, "0:background\n1: dog\n", "dog"),
        ({LABEL: 300}, "", "300"),
    ],
)
def test_a_label_is_the_labels_files_else_the_text_else_the_number(tmp_path, features, labels, expected):
    source = write(tmp_path / "in/a.tfrecord", example(**{PHOTO: photo(1)}, **features))
    if labels:
        (tmp_path / "in/labels.txt").write_text(labels)
    convert("tfrecord", source, tmp_path / "out")
    assert list(files(tmp_path / "out")) == [f"{expected}/a.tfrecord_000000.jpg"]


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("n01440764_10026.JPEG", "JPEG", "n01440764_10026.JPEG"),
        ("../../etc/passwd", "PNG", "passwd.png"),
        ("..\\x.jpg", "JPEG", "x.jpg"),
        ("/photos/a.png", "JPEG", "a.png.jpg"),
        ("..", "GIF", "_.gif"),
        ("a.b", "WEBP", "a.b.webp"),
    ],
)
def test_a_file_name_leads_nowhere_and_ends_as_what_it_is(tmp_path, name, kind, expected):
    source = write(tmp_path / "in/a.tfrecord", example(**{PHOTO: photo(1, kind), LABEL: 1, NAME: name.encode()}))
    convert("tfrecord", source, tmp_path / "out")
    assert files(tmp_path) == {f"out/1/{expected}": photo(1, kind), "in/a.tfrecord": source.read_bytes()}


def test_photos_of_one_name_are_all_kept(tmp_path):
    source = write(tmp_path / "a.tfrecord", *(example(**{PHOTO: photo(n), LABEL: 1, NAME: b"x.jpg"}) for n in range(3)))
    convert("tfrecord", source, tmp_path / "out")
    assert files(tmp_path / "out") == {f"1/x{end}.jpg": photo(n) for n, end in enumerate(("", "_2", "_3"))}


def test_what_is_no_picture_is_left_out_and_said(tmp_path, capsys):
    good, bad = example(**{PHOTO: photo(1), LABEL: 1}), example(**{PHOTO: b"not a picture", LABEL: 1})
    write(tmp_path / "in.tfrecord", good, bad, bad)
    assert main(["tfrecord", str(tmp_path / "in.tfrecord"), str(tmp_path / "out")]) == 0
    error = capsys.readouterr().err
    assert error.startswith(f"WARNING: 2 records contain no readable picture; the first is record 1 of {tmp_path}")
    assert len(files(tmp_path / "out")) == 1
    write(tmp_path / "in.tfrecord", bad)
    assert main(["tfrecord", str(tmp_path / "in.tfrecord"), str(tmp_path / "out2")]) == 1
    assert not (tmp_path / "out2").exists()


def test_parts_that_are_missing_are_said(tmp_path, capsys):
    for part in (0, 2):
        write(tmp_path / f"in/train-0000{part}-of-00004", example(**{PHOTO: photo(part), LABEL: 1}))
    assert main(["tfrecord", str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err == "WARNING: train: 2 of 4 parts are present\n"


def broken(tmp_path, data, part, error=RunError):
    source = tmp_path / "a.tfrecord"
    source.write_bytes(data)
    with pytest.raises(error, match=part) as caught:
        convert("tfrecord", source, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 1
    assert not (tmp_path / "out").exists()


def test_each_flipped_bit_is_found(tmp_path):
    whole = b"".join(record(example(**{PHOTO: photo(number), LABEL: 1})) for number in range(2))
    for place in [*range(12), *range(12, len(whole), 37), len(whole) - 1]:
        data = bytearray(whole)
        data[place] ^= 0x10
        broken(tmp_path, bytes(data), "damaged|not a TFRecord|incomplete")


def test_each_cut_is_found(tmp_path):
    first, second = (record(example(**{PHOTO: photo(number), LABEL: 1})) for number in range(2))
    whole, half = first + second, len(first)  # a file may end between two records: it does not say how many it has
    for size in [*range(1, 20), half - 1, half + 1, half + 13, len(whole) - 5, len(whole) - 1]:
        broken(tmp_path, whole[:size], "incomplete|not a TFRecord")
    packed = gzip.compress(whole)
    broken(tmp_path, packed[:-9], "damaged|incomplete")
    broken(tmp_path, packed[:-1] + b"\xff", "damaged")


def test_a_length_beyond_all_memory_is_refused(tmp_path):
    length = struct.pack("<Q", 1 << 60)
    broken(tmp_path, length + guard(length) + b"x", "not a TFRecord")


def test_records_of_something_else_are_said(tmp_path):
    for data, part in (
        (b"\xff\xff", "record 0 of .* not a tf.train.Example"),
        (example(text=b"hello"), "no image/encoded; found text"),
        (b"", "found no feature"),
        (example(**{PHOTO: photo(1)}), "no image/class/label and no image/class/text"),
        (example(**{PHOTO: photo(1), LABEL: [1, 2]}), "image/class/label is not a single number"),
        (example(**{PHOTO: [photo(1), photo(2)], LABEL: 1}), "image/encoded is not a single byte string"),
        (example(**{PHOTO: 5, LABEL: 1}), "image/encoded is not a single byte string"),
        (example(**{PHOTO: photo(1), TEXT: b"../x"}), r"cannot use the label '../x' \(record 0 of"),
    ):
        broken(tmp_path, record(data), part)
    (tmp_path / "labels.txt").write_text("0:daisy\n")
    broken(tmp_path, record(example(**{PHOTO: photo(1), LABEL: 1})), "the label 1 of record 0")
    broken(tmp_path, b"", "no picture in")


def test_a_folder_without_records_or_with_a_stray_is_said(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="no TFRecord in"):
        convert("tfrecord", tmp_path / "in", tmp_path / "out")
    for name in ("train.tfrecord", "constraint.tfrecord"):
        write(tmp_path / "in" / name, example(**{PHOTO: photo(1), LABEL: 1}))
    with pytest.raises(
        UserError, match=r"the subset of .*constraint.tfrecord: the names of other files here contain train"
    ):
        convert("tfrecord", tmp_path / "in", tmp_path / "out")
