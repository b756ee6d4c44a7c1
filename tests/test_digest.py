"""The bytes that are decoded are those that were hashed, or one line says that they are not."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest

from label_image.errors import PhotoError
from retrain.backbones.quantize import _inputs
from retrain.data.augment import View, pixels_of
from retrain.files.hashing import bytes_of, file_digest
from retrain.finetune.pixels import decoded
from retrain.report import projector
from retrain.report.photos import thumbnail
from retrain.types import Photo
from tests.conftest import write_photo


@pytest.fixture
def photo(tmp_path):
    path = write_photo(tmp_path / "a.jpg", (20, 200, 210), 1)
    return Photo(str(path), "cyan", file_digest(path))


@pytest.fixture
def replaced(photo, tmp_path):
    """A photo whose file has other bytes since it was found."""
    write_photo(tmp_path / "a.jpg", (210, 20, 200), 2)
    return photo


def test_bytes_are_those_that_were_hashed(photo):
    assert hashlib.sha256(bytes_of(photo.path, photo.sha256)).hexdigest() == photo.sha256


def test_other_bytes_are_one_line_that_says_what_to_do(replaced):
    with pytest.raises(PhotoError, match=r"^changed: .*during the run; run the same command again$"):
        bytes_of(replaced.path, replaced.sha256)


def test_what_is_gone_or_no_file_now_is_one_line(photo, tmp_path):
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(PhotoError, match="it was deleted during the run"):
        bytes_of(photo.path, photo.sha256)
    (tmp_path / "a.jpg").mkdir()
    with pytest.raises(PhotoError, match="unreadable"):
        bytes_of(photo.path, photo.sha256)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_in_a_photos_place_is_not_waited_for(photo, tmp_path):
    (tmp_path / "a.jpg").unlink()
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(PhotoError, match="changed"):
        bytes_of(photo.path, photo.sha256)


@pytest.mark.parametrize("number", [0, 1])
def test_no_view_is_made_of_other_bytes(replaced, number):
    with pytest.raises(PhotoError, match="changed"):
        pixels_of(replaced, View(number, random_crop=10), 8, 8)


def test_fine_tuning_calibration_and_the_projector_leave_a_changed_photo_out(photo, tmp_path, model_dir):
    from retrain.backbones.prepare import prepare
    from retrain.options.options import Options
    from tests.conftest import STAND_IN

    write_photo(tmp_path / "b.jpg", (210, 20, 200), 3)
    other = Photo(str(tmp_path / "b.jpg"), "magenta", file_digest(tmp_path / "b.jpg"))
    write_photo(tmp_path / "b.jpg", (210, 20, 200), 4)
    problems = {}
    with decoded([photo, other], (8, 8), tmp_path, problems.__setitem__) as pixels:
        assert pixels[0].any()
        assert not pixels[1].any()
    assert (list(problems), problems[1].reason) == ([1], "changed")
    backbone = prepare(
        Options.of(image_dir="x", architecture=STAND_IN, model_dir=str(model_dir)).network, lambda _: None
    )
    assert len(_inputs(backbone, [photo, other])) == 1
    sprite = np.asarray(projector._sprite([photo, other]))
    assert np.ptp(sprite[:64, 64:128]) == 0  # grey
    assert np.ptp(sprite[:54, :64]) > 0
    with pytest.raises(PhotoError, match="changed"):
        thumbnail(other.path, other.sha256)
