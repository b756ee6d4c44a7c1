"""The main job on real photos and real weights: four backbones, three formats, broken pictures among the good ones."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter

import pytest

from label_image import Classifier
from tests.conftest import ROOT, SHARED, run_module

pytestmark = pytest.mark.shared
BACKBONES = ("efficientnet_lite0", "mobilenet_0.25_128", "mobilenet_0.25_224", "mobilenet_1.0_224")
PHOTOS_A_CLASS = 40
EXPORTS = ("retrained.tflite", "retrained_graph.pb", "saved_model")


def some_flowers(folder, count):
    for label in sorted(path.name for path in (SHARED / "data/flower_photos").iterdir() if path.is_dir()):
        (folder / label).mkdir(parents=True)
        for photo in sorted((SHARED / "data/flower_photos" / label).iterdir())[:count]:
            shutil.copyfile(photo, folder / label / photo.name)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with 200 flowers in `flowers` and the real archives in tf_files/models."""
    folder = tmp_path_factory.mktemp("main_job")
    some_flowers(folder / "flowers", PHOTOS_A_CLASS)
    shutil.copytree(SHARED / "data/models", folder / "tf_files/models", copy_function=shutil.copyfile)
    return folder


@pytest.mark.parametrize("architecture", BACKBONES)
def test_every_export_gives_the_labels_of_the_record_on_every_test_photo(place, architecture):
    done = run_module(
        "retrain", "--image_dir=flowers", f"--architecture={architecture}", "--saved_model_dir=tf_files/saved_model",
        "--how_many_training_steps=500", "--testing_percentage=20", "--offline", cwd=place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads((place / re.findall(r"^wrote (.*run\.json)$", done.stdout, re.MULTILINE)[0]).read_text("utf-8"))
    assert record["accuracy"] > 0.6
    wanted = [photo["predicted"] for photo in record["test_photos"]]
    for name in EXPORTS:
        classifier = Classifier(place / "tf_files" / name)
        answers = classifier.classify_all([place / photo["path"] for photo in record["test_photos"]])
        assert [answer.top(1)[0][0] for answer in answers] == wanted, name


def test_everything_that_torture_holds_is_listed_or_used_and_the_run_completes(place):
    photos = some_flowers(place / "tortured", 12)
    shutil.copytree(SHARED / "data/torture", photos / "torture", copy_function=shutil.copyfile)
    words = ("--how_many_training_steps=100", "--output_graph=", "--logging_verbosity=DEBUG")  # which counts nothing
    done = run_module("retrain", f"--image_dir={photos}", *words, cwd=place)
    assert done.returncode == 0, done.stderr
    record = json.loads((place / re.findall(r"^wrote (.*run\.json)$", done.stdout, re.MULTILINE)[0]).read_text("utf-8"))
    hidden = sum(path.name.startswith(".") for path in (photos / "torture").iterdir())
    skipped = Counter(item["reason"] for item in record["skipped"])
    used = sum(record["counts"]["torture"].values())
    assert used + skipped.total() + hidden == sum(1 for _ in (photos / "torture").iterdir())
    assert {"empty file", "cut short", "damaged", "a web page", "a text file", "too large"} <= skipped.keys()
    for item in record["skipped"]:
        assert f"left out {item['path']}: {item['reason']}" in done.stderr
    assert f"{skipped.total()} files left out of" in done.stderr


def test_the_default_needs_no_network_at_all(place):
    code = f"""
import socket, sys
def refuse(*words, **more): raise AssertionError("the network was used")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from retrain.cli import main
sys.exit(main(["--image_dir=flowers", "--how_many_training_steps=20", "--bottleneck_dir={place}/fresh", "--model_dir={place}/fresh"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
