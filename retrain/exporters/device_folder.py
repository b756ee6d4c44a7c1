"""Writes a self-contained folder with a labelling program, to be copied to a Raspberry Pi or a Jetson and run there.

    model.tflite      the classifier, as --output_tflite writes it
    labels.txt        its labels, one a line
    run.py            labels photos; a copy of `device_run`, which imports nothing of ours
    requirements.txt  what run.py needs; a copy of `light.txt`
    test_photo.jpg    one small test photo without EXIF, so that no location or camera is published
    expected.json     the scores of that photo
    README.txt        the commands to type

The folder is written in two steps, `write` and `add_selftest`, because the expected scores are known only after the model was verified.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageOps

from label_image.classifier import Classifier
from label_image.errors import RunError
from label_image.labels import format_labels
from label_image.model_metadata import Metadata
from label_image.photo_pixels import open_photo, to_rgb
from retrain.exporters import tflite
from retrain.exporters.expected import Expected
from retrain.exporters.exporter import Exporter
from retrain.files.hashing import bytes_of
from retrain.types import Backbone, Head

MODEL = "model.tflite"
FILES = (MODEL, "labels.txt", "run.py", "requirements.txt", "test_photo.jpg", "expected.json", "README.txt")
HOLDS = (*FILES, "__pycache__", "venv", ".venv")  # the names that running it creates may be deleted too
_HERE = Path(__file__).resolve().parent
_PHOTO_PX = 640  # longest side; larger than the input of any network, so that resizing is tested too
_TIMEOUT_S = 600  # ample time, even for a slow device

_README = """{architecture}, trained to tell {count} labels apart: {labels}.{accuracy}

On the device (Raspberry Pi, Jetson, any computer with Python 3.10 to 3.13), in this folder:

    python3 -m venv venv
    venv/bin/pip install -r requirements.txt
    venv/bin/python run.py --selftest      # must say: selftest passed
    venv/bin/python run.py photo.jpg

From a program of your own in this folder: from run import answer; answer("photo.jpg")
"""
_MEDIAPIPE = "\nMediaPipe Tasks' ImageClassifier loads model.tflite without settings.\n"


def write(path: Path, head: Head, backbone: Backbone, metadata: Metadata) -> None:
    """Writes the folder, except the test photo and its expected scores."""
    path.mkdir(parents=True)
    tflite.write(path / MODEL, head, backbone, metadata)
    (path / "labels.txt").write_bytes(format_labels(metadata.labels))
    (path / "run.py").write_bytes((_HERE / "device_run.py").read_bytes())
    (path / "requirements.txt").write_bytes((_HERE / "light.txt").read_bytes())
    (path / "README.txt").write_text(_readme(metadata), "utf-8")


def restate_in(path: Path, was: Metadata, now: Metadata) -> None:
    """Replaces the test results in the model and in the README."""
    tflite.restate_in(path / MODEL, was, now)
    (path / "README.txt").write_text(_readme(now), "utf-8")


def add_selftest(path: Path, photo: str | bytes) -> None:
    """Adds a test photo and its expected scores, and runs the self-test of the folder.

    Args:
      path: the folder; its model has been verified.
      photo: a photo of the run, or its bytes; a small copy of it is added.

    Raises:
      RunError: `python run.py --selftest` does not pass.
      PhotoError: the photo cannot be read.
    """
    with open_photo(photo) as image:
        image.draft("RGB", (_PHOTO_PX, _PHOTO_PX))
        small = to_rgb(ImageOps.exif_transpose(image))
    small.thumbnail((_PHOTO_PX, _PHOTO_PX))
    bare = Image.frombytes("RGB", small.size, small.tobytes())  # only pixels are copied, no EXIF or other metadata
    bare.save(path / "test_photo.jpg", quality=95)
    answer = Classifier(path / MODEL).classify(path / "test_photo.jpg")
    scores = {label: round(score, 6) for label, score in answer.top(len(answer.labels))}
    expected = {"photo": "test_photo.jpg", "scores": scores}
    (path / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n", "utf-8")
    _run_selftest(path)


def _run_selftest(path: Path) -> None:
    """Runs the folder as its user will, in a separate process."""
    command = [sys.executable, str((path / "run.py").resolve()), "--selftest"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603 - our own file
    except subprocess.TimeoutExpired:
        raise RunError(f"the device folder does not answer within {_TIMEOUT_S} s and was not kept") from None
    if done.returncode:
        last = (done.stdout.strip() or done.stderr.strip() or "no word").splitlines()[-1]
        raise RunError(f"the device folder does not run by itself and was not kept: {last}; please report this")


def _readme(metadata: Metadata) -> str:
    accuracy, tested = metadata.training.get("test_accuracy"), metadata.training.get("tested")
    text = _README.format(
        architecture=metadata.training.get("architecture", "A classifier"),
        count=len(metadata.labels),
        labels=", ".join(metadata.labels),
        accuracy="" if accuracy is None else f"\nIt was right on {accuracy:.1%} of {tested} test photos.",
    )
    # It refuses a mean and std for each channel ("Per-channel image normalization is not available", 1.2.2).
    return text + (_MEDIAPIPE if len(set(metadata.mean)) == len(set(metadata.std)) == 1 else "")


def self_test(path: Path, expected: Expected) -> str:
    """Adds the test photo, and runs the self-test of the folder."""
    add_selftest(path, bytes_of(expected.example.path, expected.example.sha256))
    return ", then by itself on one"


EXPORTER = Exporter(
    write,
    holds=HOLDS,
    model=lambda path: path / MODEL,
    check_form=tflite.check_form,
    restate=restate_in,
    self_test=self_test,
)
