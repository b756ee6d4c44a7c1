"""A metadata entry read by offsets: the same bytes as by the schema's classes, and nothing but None from damaged files."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from label_image.detectors.tflite_entry import entry
from label_image.detectors.tflite_file import TfliteFile
from label_image.errors import RunError
from label_image.find_metadata import Overrides, metadata_of
from retrain.formats.tflite_model import TfliteModel
from tests.conftest import write_photo
from tests.test_detectors_tflite import colour_tflite


@pytest.fixture
def model(tmp_path):
    """A file with three entries, one of them empty."""
    model = TfliteModel()
    model.graph.inputs = np.array([model.tensor("in", [1, 4])], np.int32)
    scores = model.tensor("out", [1, 4])
    model.operator("SOFTMAX", [0], scores, model.options("SoftmaxOptions", beta=1.0))
    model.outputs([scores])
    for name, data in (("first", b"\x00\xff" * 40), ("second", b'{"labels": ["a", "b"]}'), ("empty", b"")):
        model.metadata(name, data)
    path = tmp_path / "m.tflite"
    path.write_bytes(model.to_bytes())
    return path


@pytest.mark.parametrize("name", ["first", "second"])
def test_the_same_bytes_as_by_the_schemas_classes(model, name):
    assert entry(model, name) == bytes(TfliteFile(model).entry(name))


def test_what_is_not_there_and_what_is_empty(model):
    assert entry(model, "third") is None
    assert entry(model, "empty") == b""


def test_a_file_without_metadata(tmp_path):
    assert entry(colour_tflite(tmp_path / "m.tflite"), "retrain.json") is None


def test_no_cut_and_no_wrong_byte_raises(model, tmp_path):
    whole, rng = model.read_bytes(), np.random.default_rng(0)
    broken = tmp_path / "broken.tflite"
    answers = set()
    for end in range(8, len(whole), 7):
        broken.write_bytes(whole[:end])
        answers.add(entry(broken, "second"))
    for _ in range(500):
        data = bytearray(whole)
        for place in rng.integers(len(data), size=8):
            data[place] = rng.integers(256)
        broken.write_bytes(bytes(data))
        answers.add(entry(broken, "second"))
    assert {None, b'{"labels": ["a", "b"]}'} <= answers  # some were found, some were not, none raised


def test_a_damaged_file_gets_its_line(model, tmp_path):
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(model.read_bytes()[:40])
    with pytest.raises(RunError, match="damaged"):
        metadata_of(broken, Overrides())


def test_our_own_export_is_labelled_without_the_schemas_classes(tflite, tmp_path):
    photo = write_photo(tmp_path / "p.jpg", (200, 30, 30), 1, (64, 64))
    code = (
        "import sys; from label_image import Classifier; "
        f"assert Classifier({str(tflite)!r}).classify({str(photo)!r}).labels; "
        "assert not [name for name in sys.modules if 'schema_py_generated' in name or name.split('.')[0] == 'tensorflow']"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
