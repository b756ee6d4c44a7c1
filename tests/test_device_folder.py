"""The folder that labels by itself: what is in it, that it runs alone, and that it says when it is wrong."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from label_image import Classifier
from label_image.errors import RunError, UserError
from label_image.photo_pixels import decode
from retrain.exporters import device_folder, device_run
from retrain.exporters.device_folder import FILES, HOLDS
from retrain.exporters.folder import check_folder
from tests.conftest import COLOURS, ROOT, STAND_IN, run_module, write_photo

LIGHT = {"ai_edge_litert", "flatbuffers", "numpy", "PIL"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, colour_photos, model_dir):
    """A device folder, as `--device_folder` writes it, moved to another place."""
    work = tmp_path_factory.mktemp("work")
    done = run_module(
        "retrain", f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}",
        "--how_many_training_steps=300", "--output_graph=", "--device_folder=pi", cwd=work,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"^pi +[\d.]+ \S+ +[\d.]+ +100\.0% +\de-\d+ +\d+\.\d%", done.stdout, re.MULTILINE)
    assert (work / "pi/model.tflite").read_bytes() == (work / "tf_files/retrained.tflite").read_bytes()
    return shutil.move(work / "pi", tmp_path_factory.mktemp("device") / "copied here")


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def run_py(folder, *words):
    """`python run.py WORDS` without the project on the path."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(folder / "run.py"), *map(str, words)]
    return subprocess.run(command, cwd=folder.parent, env=env, capture_output=True, text=True, timeout=300, check=False)


def test_it_holds_what_it_says_and_nothing_of_this_machine(folder, colour_photos):
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    words = [str(colour_photos), str(ROOT), str(folder), f"{Path.home()}/"]
    for path in folder.iterdir():
        assert not any(word.encode() in path.read_bytes() for word in words), path.name


def test_its_selftest_passes_where_it_was_copied_to(folder):
    done = run_py(folder, "--selftest")
    assert (done.returncode, done.stdout.startswith("selftest passed: scores within ")) == (0, True), done.stderr


def test_it_imports_the_light_set_and_nothing_of_ours():
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'retrain/exporters')!r}); import device_run; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    seen = {name.split(".")[0] for name in done.stdout.split()}
    assert seen >= LIGHT - {"flatbuffers"}
    assert not seen & {"tensorflow", "keras", "tensorboard", "absl", "label_image", "retrain", "mediapipe"}


def test_it_prints_what_label_image_prints(folder, label_image, tmp_path):
    photos = [write_photo(tmp_path / f"{label}.jpg", colour, 9) for label, colour in COLOURS.items()]
    ours = label_image(f"--graph={folder / 'model.tflite'}", *photos)
    theirs = run_py(folder, *photos)
    assert (theirs.returncode, theirs.stdout) == (0, ours.stdout)


def test_a_photo_that_can_not_be_read_is_said_in_its_place(folder, tmp_path):
    good = write_photo(tmp_path / "good.jpg", COLOURS["cyan"], 1)
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    done = run_py(folder, tmp_path / "bad.jpg", good)
    bad, answer = done.stdout.strip().split("\n\n")
    assert done.returncode == 1
    assert bad.startswith(f"{tmp_path / 'bad.jpg'}\nerror: ")
    assert answer.split("\n")[1].startswith("cyan (score=0.")
    assert "Traceback" not in done.stderr


def test_without_a_photo_it_says_how_it_is_used(folder):
    done = run_py(folder)
    assert done.returncode == 2
    assert "python run.py --selftest" in done.stdout


def kinds_of_pictures(folder):
    """A picture of each kind that cameras and drawing programs write, larger than the network's input."""
    rng = np.random.default_rng(4)
    rgb = Image.fromarray(np.kron(rng.integers(0, 256, (9, 11, 3)), np.ones((33, 35, 1))).astype(np.uint8))
    alpha = rgb.copy()
    alpha.putalpha(
        Image.fromarray(np.linspace(0, 255, rgb.width * rgb.height).reshape(rgb.size[::-1]).astype(np.uint8))
    )
    wide = Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    saved = {
        "rgb.png": rgb, "grey.png": rgb.convert("L"), "black.png": rgb.convert("1"), "palette.png": rgb.quantize(16),
        "alpha.png": alpha, "grey_alpha.png": alpha.convert("LA"), "wide.png": wide, "cmyk.jpg": rgb.convert("CMYK"),
        "palette.gif": rgb.quantize(16),
    }  # fmt: skip
    for name, image in saved.items():
        image.save(folder / name)
    rgb.quantize(16).save(folder / "see_through.png", transparency=3)
    rgb.resize((3000, 2000)).save(folder / "large.jpg")
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        rgb.save(folder / f"turned_{turn}.jpg", exif=exif)
        rgb.save(folder / f"turned_{turn}.tiff", exif=exif)
    return sorted(folder.iterdir())


def test_it_decodes_as_label_image_does_bit_by_bit(tmp_path):
    for path in kinds_of_pictures(tmp_path):
        np.testing.assert_array_equal(device_run.decode(path, 96, 128), decode(path, 96, 128), path.name)


def test_the_test_photo_is_small_upright_and_bare(copy, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "The Camera"
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1500, 2000, 3)).astype(np.uint8))
    photo.save(tmp_path / "phone.jpg", exif=exif, comment=b"at home")
    device_folder.add_selftest(copy, str(tmp_path / "phone.jpg"))
    data = (copy / "test_photo.jpg").read_bytes()
    with Image.open(copy / "test_photo.jpg") as image:
        assert (image.format, image.size, dict(image.getexif())) == ("JPEG", (480, 640), {})
    assert not any(word in data for word in (b"Camera", b"at home", b"Exif"))


def test_what_is_expected_is_what_label_image_says(folder):
    expected = json.loads((folder / "expected.json").read_text())
    answer = Classifier(folder / "model.tflite").classify(folder / "test_photo.jpg")
    assert expected["scores"] == pytest.approx(dict(answer.top(3)), abs=1e-6)
    assert next(iter(expected["scores"])) == answer.top(1)[0][0]


FAULTS = {
    "another photo": lambda f: write_photo(f / "test_photo.jpg", (128, 128, 128), 1),
    "labels in another order": lambda f: (f / "labels.txt").write_text("yellow\nmagenta\ncyan\n"),
    "another name": lambda f: (f / "labels.txt").write_text("cyan\nmagenta\ngelb\n"),
    "a name too few": lambda f: (f / "labels.txt").write_text("cyan\nmagenta\n"),
    "half a model": lambda f: (f / "model.tflite").write_bytes((f / "model.tflite").read_bytes()[:2000]),
    "blue first": lambda f: (f / "run.py").write_text(
        (f / "run.py").read_text().replace("scaled[None]", "scaled[None, ..., ::-1]")
    ),
    "divided twice": lambda f: (f / "run.py").write_text(
        (f / "run.py").read_text().replace('np.float32(metadata["std"])\n', 'np.float32(metadata["std"]) / 255\n')
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_its_selftest_catches_a_planted_fault(fault, copy):
    FAULTS[fault](copy)
    assert run_py(copy, "--selftest").returncode == 1


def test_a_folder_that_does_not_run_never_gets_its_name(copy, monkeypatch, colour_photos):
    text = (copy / "run.py").read_text().replace("import numpy", "import no_such_package\nimport numpy")
    (copy / "run.py").write_text(text)
    with pytest.raises(RunError, match=r"does not run by itself and was not kept.*no_such_package"):
        device_folder.add_selftest(copy, str(next(colour_photos.glob("cyan/*.jpg"))))


def test_it_may_be_written_again_over_itself(copy):
    (copy / "__pycache__").mkdir()
    before = sorted(copy.iterdir())
    check_folder("device_folder", copy, HOLDS)  # raises where the folder may not be replaced
    assert sorted(copy.iterdir()) == before


@pytest.mark.parametrize("flag", ["device_folder", "saved_model_dir"])
def test_a_folder_of_something_else_is_never_replaced(tmp_path, retrain, colour_photos, flag):
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday/beach.jpg").write_bytes(b"dear")
    done = retrain(f"--image_dir={colour_photos}", f"--{flag}=holiday")
    assert (done.returncode, (tmp_path / "holiday/beach.jpg").read_bytes()) == (2, b"dear")
    assert done.stderr == (
        f"retrain: cannot write --{flag}=holiday: found 'beach.jpg' there, which would be lost; give a new folder's name\n"
    )


def test_a_file_and_the_folder_one_is_in_are_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    for name, why in (("file", "it is a file"), (".", "you are in it"), ("..", "you are in it")):
        with pytest.raises(UserError, match=why):
            check_folder("device_folder", Path(name), HOLDS)


def test_the_light_set_has_the_bounds_of_setup_cfg(folder):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    needed = setup["options"]["install_requires"].split("\n")
    light = [line for line in (folder / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert [re.split("[<>=]", line)[0] for line in light] == ["numpy", "pillow", "ai-edge-litert"]
    assert set(light) <= set(needed)
