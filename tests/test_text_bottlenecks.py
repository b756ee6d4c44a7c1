"""The original's text bottlenecks, of each generation, in the store; what cannot be taken over is named."""

from __future__ import annotations

import numpy as np
import pytest

from retrain.files.hashing import file_digest
from retrain.store.feature_store import Store
from retrain.store.text_bottlenecks import imported_key, read_folder
from tests.conftest import run_module, write_photo

MODULE = "https~~~tfhub.dev~google~imagenet~inception_v3~feature_vector~3"
# Generation A to C, D and E, H (FLAGS.md 1.4): what stands behind the photo's name, and the network it means.
GENERATIONS = {"": "inception_v3", "_mobilenet_0.50_224": "mobilenet_0.50_224", f"_{MODULE}": MODULE}


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for number, name in enumerate(("daisy/a.jpg", "daisy/b.JPG", "red rose/a.jpg", "red rose/c.png_d.jpg")):
        write_photo(folder / name, (200, 20 * number, 30), number)
    return folder


def write_text(folder, photos, ending, width=4):
    rng = np.random.default_rng(len(ending))
    values = {}
    for photo in sorted(photos.glob("*/*")):
        row = rng.normal(size=width).astype(np.float32)
        path = folder / photo.parent.name / f"{photo.name}{ending}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(",".join(str(value) for value in row))
        values[file_digest(photo)] = row
    return values


def run_import(tmp_path, *words):
    return run_module("retrain.cache", "import", *words, cwd=tmp_path)


def test_every_generation_is_read_into_the_store(photos, tmp_path):
    wanted = {
        network: write_text(tmp_path / "old", photos, ending, width=4 + len(ending))
        for ending, network in GENERATIONS.items()
    }
    done = run_import(tmp_path, "old", f"--image_dir={photos}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("imported the features of 4 photos by ") == 3
    store = Store(tmp_path / "tf_files/bottlenecks")
    for network, rows in wanted.items():
        width = len(next(iter(rows.values())))
        features, there = store.read(imported_key(network), list(rows), width)
        assert there.all()
        np.testing.assert_array_equal(features, np.stack(list(rows.values())))  # shortest text is exact
    store.close()


def test_they_are_found_by_a_photos_content_wherever_it_lies(photos, tmp_path):
    write_text(tmp_path / "old", photos, "")
    run_import(tmp_path, "old", f"--image_dir={photos}")
    moved = tmp_path / "elsewhere.jpg"
    moved.write_bytes((photos / "daisy/a.jpg").read_bytes())
    store = Store(tmp_path / "tf_files/bottlenecks")
    _, there = store.read(imported_key("inception_v3"), [file_digest(moved), "00" * 32], 4)
    store.close()
    assert there.tolist() == [True, False]


def test_what_can_not_be_read_is_left_out_with_its_reason(photos, tmp_path):
    write_text(tmp_path / "old", photos, "")
    old = tmp_path / "old/daisy"
    (old / "a.jpg.txt").write_text("")  # the machine went down
    (old / "b.JPG.txt").write_text("1.0,2.0")  # the disk was full
    (old / "gone.jpg.txt").write_text("1,2,3,4")
    (tmp_path / "old/red rose/a.jpg.txt").write_text("1,2,nan,4")
    found, skipped = read_folder(tmp_path / "old", photos)
    # One whole row is left: of two widths, each once, the first seen would win, so another is needed.
    assert {one.reason for one in skipped} >= {"no such photo", "not numbers separated by commas"}
    write_text(tmp_path / "old", photos, "")
    (old / "b.JPG.txt").write_text("1.0,2.0")
    found, skipped = read_folder(tmp_path / "old", photos)
    assert [one.photo.name for one in found] == ["a.jpg", "a.jpg", "c.png_d.jpg"]
    assert sorted((one.reason, one.detail) for one in skipped) == [
        ("cut off", "2 numbers, but the others have 4"),
        ("no such photo", f"there is none with that name in {photos / 'daisy'}"),
    ]
    done = run_import(tmp_path, "old", f"--image_dir={photos}")
    assert done.returncode == 0
    assert "2 files left out of 5: " in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "found 'import'; write: python -m retrain.cache import DIR --image_dir=PHOTOS"),
        (("nowhere", "--image_dir=photos"), "DIR=nowhere is not a folder"),
        (("photos",), "--image_dir=. is not a folder"),
        (("photos", "--image_dir=nowhere"), "--image_dir=nowhere is not a folder"),
        (("photos", "--image_dir=photos"), "found no CLASS/PHOTO.jpg.txt"),
        (("photos", "--imagedir=photos"), "unknown flag --imagedir"),
    ],
)
def test_mistakes_are_one_line(photos, tmp_path, words, message):
    done = run_import(tmp_path, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "tf_files").exists()


@pytest.mark.shared
def test_real_text_bottlenecks_are_read(shared_data, tmp_path):
    sample = shared_data / "bottlenecks/mobilenet_sample"
    photos = tmp_path / "photos"
    for number, text in enumerate(sample.glob("*/*.txt")):  # its photos are not there; what they would be called is
        write_photo(photos / text.parent.name / text.name.split("_mobilenet")[0], (9, 9, 9), number)
    found, skipped = read_folder(sample, photos)
    assert (len(found), skipped) == (20, [])
    assert {(one.network, one.values.shape) for one in found} == {("mobilenet_0.25_224", (1001,))}
